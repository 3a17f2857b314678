"""REINFORCE: plain, with the variance adjustment of the binary-neuron papers, and with a leave-one-out baseline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bgmusic.neurons.score.base import Loss, ScoreFunction, attach, draws, evaluate, per_row, register_score


@register_score("reinforce")
class Reinforce(ScoreFunction):
    """REINFORCE: ``g = slope (b - p) f(b)``, from one draw.

    Bias: none. Variance: about ``slope^2 p (1 - p) E[f^2]`` for each bit: it grows with the square of the loss's
    level, which says nothing about the gradient, and with the number of bits that share one loss.
    Source: Williams, Machine Learning 8 (1992) 229; Bengio, Léonard and Courville, arXiv 1308.3432, section 3.
    """

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Losses ``(batch,)`` that carry the estimated gradient; one call of ``loss``."""
        p = self.probability(logits)
        bits = (draws(logits, generator) < p).to(logits.dtype)
        losses = evaluate(loss, bits)
        return attach(losses, logits, self.slope * (bits - p) * self.advantage(losses, bits - p))

    def advantage(self, losses: Tensor, surprise: Tensor) -> Tensor:
        """What multiplies the score ``b - p``: the losses ``(batch, 1, ...)``, less a baseline if there is one."""
        return per_row(losses, surprise)


@register_score("reinforce-adjusted")
class AdjustedReinforce(Reinforce):
    """REINFORCE with variance adjustment: ``g = slope (b - p) (f(b) - c)``, a baseline ``c`` for every bit.

    ``c = E[(b - p)^2 f] / E[(b - p)^2]`` minimises each bit's variance among constants. Both means are moving
    averages (decay 0.95) of earlier batches: the published code also counts the present one, which biases it by
    about (1 - decay) / batch; so ours starts, at its first batch, as plain REINFORCE. Updated in training mode only.
    Bias: none. Variance: below REINFORCE's once the averages have settled, if the loss changes slowly.
    Source: Bengio, Léonard and Courville, arXiv 1308.3432 (the minimum-variance baseline); BinaryGAN, arXiv
    1810.04714.

    Args:
        shape: of one row's bits, each with its own baseline; ``()`` shares one baseline among all.
        decay: of the moving averages, in [0, 1).
        slope: the sigmoid's slope.

    Raises:
        ValueError: the decay is not in [0, 1), or the slope is not a positive number.

    """

    weighted: Tensor
    weight: Tensor

    def __init__(self, shape: Sequence[int] = (), decay: float = 0.95, slope: float = 1.0) -> None:
        super().__init__(slope)
        if not 0 <= decay < 1:
            raise ValueError(f"a decay lies in [0, 1), not {decay}")
        self.decay = decay
        self.register_buffer("weighted", torch.zeros(tuple(shape)))
        self.register_buffer("weight", torch.zeros(tuple(shape)))

    def advantage(self, losses: Tensor, surprise: Tensor) -> Tensor:
        """The losses less the baseline of each bit, ``(batch, ...)``."""
        rows = per_row(losses, surprise)
        # Where nothing has been averaged yet, both means are zero. In float16 so would the least weight be.
        baseline = self.weighted.float() / self.weight.float().clamp(min=torch.finfo(torch.float32).tiny)
        advantage = rows - baseline
        if self.training:
            square = surprise.float().square()
            dims = tuple(range(square.dim() - self.weight.dim()))
            weighted, weight = (square * rows).mean(dims), square.mean(dims)
            # Averages never forget what is not a number: a batch with such a loss is left out of them.
            known = weighted.isfinite()
            for average, mean in ((self.weighted, weighted), (self.weight, weight)):
                average.copy_(torch.where(known, torch.lerp(average.float(), mean, 1 - self.decay), average))
        return advantage


@register_score("rloo")
class RLOO(ScoreFunction):
    """REINFORCE with a leave-one-out baseline: each draw's baseline is the mean loss of the others.

    ``g = slope / (k - 1) * sum_i (b_i - p) (f(b_i) - mean_j f(b_j))`` over k independent draws.
    Bias: none, since the others' losses do not depend on this draw. Variance: the level of the loss cancels; the
    rest is ``A / k + B / (k (k - 1))``, A being that of ``(b - p) (f(b) - E f)``: with rare bits it falls little
    faster than 1 / k, with even ones faster than 1 / (k - 1). Costs k calls of the loss.
    Source: Kool, van Hoof and Welling, "Buy 4 REINFORCE samples, get a baseline for free!", 2019;
    Salimans and Knowles, arXiv 1401.1022.

    Args:
        samples: k, 2 or more.
        slope: the sigmoid's slope.

    Raises:
        ValueError: fewer than 2 samples, or the slope is not a positive number.

    """

    def __init__(self, samples: int = 2, slope: float = 1.0) -> None:
        super().__init__(slope)
        if samples < 2:
            raise ValueError(f"a leave-one-out baseline needs 2 samples or more, not {samples}")
        self.samples = samples

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean losses ``(batch,)`` that carry the estimated gradient; ``samples`` calls of ``loss``."""
        p = self.probability(logits)
        bits = [(draws(logits, generator) < p).to(logits.dtype) for _ in range(self.samples)]
        losses = torch.stack([evaluate(loss, b) for b in bits])
        mean = losses.mean(0)
        gradient = torch.zeros_like(p)
        for drawn, own in zip(bits, losses, strict=True):
            gradient += (drawn - p) * per_row(own - mean, p)
        return attach(mean, logits, self.slope * gradient / (self.samples - 1))

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"samples={self.samples}"
