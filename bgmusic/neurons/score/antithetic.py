"""ARM and DisARM: estimators from the difference of the losses of two antithetic samples."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.score.base import Loss, ScoreFunction, attach, draws, evaluate, per_row, register_score


def _mirrored(v: Tensor, p: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bits of the draws ``v`` and of the antithetic draws ``1 - v``."""
    # 1 - v lies in (0, 1]: with <=, both fire with probability p.
    return (v < p).to(logits.dtype), (1 - v <= p).to(logits.dtype)


@register_score("arm")
class ARM(ScoreFunction):
    """Augment-REINFORCE-merge: ``g = slope (f(b') - f(b)) (v - 1/2)``, ``b = 1[v < p]``, ``b' = 1[1 - v < p]``.

    Bias: none. Variance: the level of the loss cancels; a row whose two samples agree contributes nothing.
    Cost: two calls of the loss.

    Source: Yin and Zhou, arXiv 1807.11143, theorem 1.
    """

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the mean losses ``(batch,)`` of both samples, with the estimated gradient; calls ``loss`` twice."""
        p = self.probability(logits)
        v = draws(logits, generator)
        bits, mirror = _mirrored(v, p, logits)
        losses, mirrored = evaluate(loss, bits), evaluate(loss, mirror)
        gradient = per_row(mirrored - losses, p) * (v - 0.5)
        return attach((losses + mirrored) / 2, logits, self.slope * gradient)


@register_score("disarm")
class DisARM(ScoreFunction):
    """DisARM (also known as U2G): ARM with the uniform draws integrated out, given the two samples.

    ``g = slope / 2 (f(b) - f(b')) (b - b') max(p, 1 - p)``: only bits that differ between the samples get a gradient.

    Bias: none. Variance: never above ARM's (Rao-Blackwell). Cost: two calls of the loss.

    Source: Dong, Mnih and Tucker, arXiv 2006.10680; Yin, Ho, Yan, Qian and Zhou, arXiv 2006.06448 (U2G).
    """

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the mean losses ``(batch,)`` of both samples, with the estimated gradient; calls ``loss`` twice."""
        p = self.probability(logits)
        bits, mirror = _mirrored(draws(logits, generator), p, logits)
        losses, mirrored = evaluate(loss, bits), evaluate(loss, mirror)
        gradient = per_row(losses - mirrored, p) / 2 * (bits - mirror) * torch.maximum(p, 1 - p)
        return attach((losses + mirrored) / 2, logits, self.slope * gradient)
