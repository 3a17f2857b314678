"""REINFORCE: plain, with variance adjustment, and with a leave-one-out baseline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bgmusic.neurons.score.base import Loss, ScoreFunction, attach, draws, evaluate, per_row, register_score


@register_score("reinforce")
class Reinforce(ScoreFunction):
    """REINFORCE: ``g = slope (b - p) f(b)``, from one sample.

    Bias: none. Variance: about ``slope^2 p (1 - p) E[f^2]`` per bit. It grows with the square of the loss's level,
    which carries no information about the gradient, and with the number of bits that share one loss.
    Cost: one call of the loss.

    Source: Williams, Machine Learning 8 (1992) 229; Bengio, Léonard and Courville, arXiv 1308.3432, section 3.
    """

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return losses ``(batch,)`` with the estimated gradient; calls ``loss`` once."""
        p = self.probability(logits)
        bits = (draws(logits, generator) < p).to(logits.dtype)
        losses = evaluate(loss, bits)
        return attach(losses, logits, self.slope * (bits - p) * self.advantage(losses, bits - p))

    def advantage(self, losses: Tensor, surprise: Tensor) -> Tensor:
        """Return the factor of the score ``b - p``: the losses ``(batch, 1, ...)``, minus a baseline if any."""
        return per_row(losses, surprise)


@register_score("reinforce-adjusted")
class AdjustedReinforce(Reinforce):
    """REINFORCE with variance adjustment: ``g = slope (b - p) (f(b) - c)``, with a baseline ``c`` for every bit.

    ``c = E[(b - p)^2 f] / E[(b - p)^2]`` minimises each bit's variance among constants. Both means are moving
    averages of earlier batches, updated in training mode only. The first batch is plain REINFORCE. (The published code
    includes the current batch, which biases the gradient by about (1 - decay) / batch.)

    Bias: none. Variance: below REINFORCE's once the averages have settled, if the loss changes slowly.
    Cost: one call of the loss.

    Args:
        shape: shape of one row's bits, each with its own baseline; ``()`` shares one baseline among all.
        decay: decay of the moving averages, in [0, 1).
        slope: the sigmoid's slope.

    Source: Bengio, Léonard and Courville, arXiv 1308.3432 (the minimum-variance baseline); BinaryGAN, arXiv
    1810.04714.

    Raises:
        ValueError: the decay is not in [0, 1), or the slope is not a positive number.

    """

    weighted: Tensor
    weight: Tensor

    def __init__(self, shape: Sequence[int] = (), decay: float = 0.95, slope: float = 1.0) -> None:
        super().__init__(slope)
        if not 0 <= decay < 1:
            raise ValueError(f"the decay must lie in [0, 1), not {decay}")
        self.decay = decay
        self.register_buffer("weighted", torch.zeros(tuple(shape)))
        self.register_buffer("weight", torch.zeros(tuple(shape)))

    def advantage(self, losses: Tensor, surprise: Tensor) -> Tensor:
        """Return the losses minus the baseline of each bit, ``(batch, ...)``.

        Raises:
            ValueError: the bits of a row do not have the shape of the baselines.

        """
        if self.weight.dim() and surprise.shape[1:] != self.weight.shape:
            shapes = f"{tuple(self.weight.shape)}, the bits of a row {tuple(surprise.shape[1:])}"
            raise ValueError(f"the baselines have shape {shapes}: pass the latter as `shape`")
        rows = per_row(losses, surprise)
        # Before the first update both means are zero. The smallest float32 would be zero in float16.
        baseline = self.weighted.float() / self.weight.float().clamp(min=torch.finfo(torch.float32).tiny)
        advantage = rows - baseline
        if self.training:
            square = surprise.float().square()
            dims = tuple(range(square.dim() - self.weight.dim()))
            weighted, weight = (square * rows).mean(dims), square.mean(dims)
            # A moving average never recovers from NaN, so batches with such a loss are left out.
            known = weighted.isfinite()
            try:
                for average, mean in ((self.weighted, weighted), (self.weight, weight)):
                    average.copy_(torch.where(known, torch.lerp(average.float(), mean, 1 - self.decay), average))
            except RuntimeError as error:
                if "transform" not in str(error) and "vmap" not in str(error):
                    raise
                raise RuntimeError(
                    "transforms of torch.func can't update the baseline in place: call .eval() to keep it, or pass the "
                    "buffers to the transformed function and on by functional_call"
                ) from error
        return advantage


@register_score("rloo")
class RLOO(ScoreFunction):
    """REINFORCE with a leave-one-out baseline (RLOO): each sample's baseline is the mean loss of the others.

    ``g = slope / (k - 1) * sum_i (b_i - p) (f(b_i) - mean_j f(b_j))`` over k independent samples.

    Bias: none, because the others' losses do not depend on this sample. Variance: the level of the loss cancels; the
    rest is ``A / k + B / (k (k - 1))``, where A is the variance of ``(b - p) (f(b) - E f)``. With rare bits it falls
    little faster than 1 / k, with balanced ones faster than 1 / (k - 1). Cost: k calls of the loss.

    Args:
        samples: number k of samples, 2 or more.
        slope: the sigmoid's slope.

    Source: Kool, van Hoof and Welling, "Buy 4 REINFORCE samples, get a baseline for free!", 2019;
    Salimans and Knowles, arXiv 1401.1022.

    Raises:
        ValueError: fewer than 2 samples, or the slope is not a positive number.

    """

    def __init__(self, samples: int = 2, slope: float = 1.0) -> None:
        super().__init__(slope)
        if not isinstance(samples, int) or samples < 2:
            raise ValueError(f"a leave-one-out baseline needs a whole number of samples, 2 or more, not {samples}")
        self.samples = samples

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return mean losses ``(batch,)`` with the estimated gradient; calls ``loss`` ``samples`` times."""
        p = self.probability(logits)
        bits = [(draws(logits, generator) < p).to(logits.dtype) for _ in range(self.samples)]
        losses = torch.stack([evaluate(loss, b) for b in bits])
        mean = losses.mean(0)
        gradient = torch.zeros_like(p)
        for drawn, own in zip(bits, losses, strict=True):
            gradient += (drawn - p) * per_row(own - mean, p)
        return attach(mean, logits, self.slope * gradient / (self.samples - 1))

    def extra_repr(self) -> str:
        """Return the settings for ``print(module)``."""
        return f"samples={self.samples}"
