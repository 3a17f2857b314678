"""ARM and DisARM: two mirrored draws, their losses subtracted."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.score.base import Loss, ScoreFunction, attach, draws, evaluate, per_row, register_score


def _mirrored(v: Tensor, p: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Bits of the draws ``v`` and of their mirror images ``1 - v``."""
    # 1 - v lies in (0, 1]: with <=, both fire with probability p.
    return (v < p).to(logits.dtype), (1 - v <= p).to(logits.dtype)


@register_score("arm")
class ARM(ScoreFunction):
    """Augment-REINFORCE-merge: ``g = slope (f(b') - f(b)) (v - 1/2)``, ``b = 1[v < p]``, ``b' = 1[1 - v < p]``.

    Bias: none. Variance: the level of the loss cancels; a row whose draw and mirror image agree contributes nothing.
    Two calls of the loss.
    Source: Yin and Zhou, arXiv 1807.11143, theorem 1.
    """

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean losses ``(batch,)`` of both draws that carry the estimated gradient; two calls of ``loss``."""
        p = self.probability(logits)
        v = draws(logits, generator)
        bits, mirror = _mirrored(v, p, logits)
        losses, mirrored = evaluate(loss, bits), evaluate(loss, mirror)
        gradient = per_row(mirrored - losses, p) * (v - 0.5)
        return attach((losses + mirrored) / 2, logits, self.slope * gradient)


@register_score("disarm")
class DisARM(ScoreFunction):
    """DisARM, found at the same time as U2G: ARM with its uniform draws integrated out, given the two decisions.

    ``g = slope / 2 (f(b) - f(b')) (b - b') max(p, 1 - p)``: a bit learns only where draw and mirror image differ.
    Bias: none. Variance: never above ARM's (Rao-Blackwell). Two calls of the loss.
    Source: Dong, Mnih and Tucker, arXiv 2006.10680; Yin, Ho, Yan, Qian and Zhou, arXiv 2006.06448 (U2G).
    """

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean losses ``(batch,)`` of both draws that carry the estimated gradient; two calls of ``loss``."""
        p = self.probability(logits)
        bits, mirror = _mirrored(draws(logits, generator), p, logits)
        losses, mirrored = evaluate(loss, bits), evaluate(loss, mirror)
        gradient = per_row(losses - mirrored, p) / 2 * (bits - mirror) * torch.maximum(p, 1 - p)
        return attach((losses + mirrored) / 2, logits, self.slope * gradient)
