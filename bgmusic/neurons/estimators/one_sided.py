"""The one-sided straight-through estimator, for gates."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.estimators.decision import at_least_float32, decide, substitute, wants_gradient
from bgmusic.neurons.estimators.registry import register


@register("one-sided")
def one_sided(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
    """Pass a gradient where the bit is 1 only: ``db/dx := slope (1 - p)`` there, and 0 where the bit is 0.

    For gates that skip a branch where the bit is 0, so that ``f'(0)`` is never computed. ``1 - p`` is the
    sigmoid-adjusted derivative ``p (1 - p)`` over the probability p that the bit is 1.

    Bias: its mean is ``slope p (1 - p) f'(1)``, exact for losses linear in the bits, as the sigmoid-adjusted
    straight-through is. Variance: higher, ``slope^2 p (1 - p)^3 f'(1)^2`` for a linear loss.

    Source: no publication known to us; the score of one outcome, ``d log P(b = 1) / dx``, times its derivative.
    """
    if not wants_gradient(logits):
        return decide(logits, threshold, slope)
    with torch.no_grad():
        decision = decide(logits, threshold, slope)
        derivative = (torch.sigmoid(-slope * at_least_float32(logits)) * decision * slope).to(logits.dtype)
    return substitute(logits, decision, derivative, slope)
