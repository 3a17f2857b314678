"""An estimator that looks at ones alone."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.estimators.decision import at_least_float32, decide, substitute, wants_gradient
from bgmusic.neurons.estimators.registry import register


@register("one-sided")
def one_sided(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
    """One-sided straight-through: ``db/dx := slope (1 - p)`` where the bit is 1, and 0 where it is 0.

    For gates that skip a branch where the bit is 0: there ``f'(0)`` is never computed, and this estimator never asks
    for it. ``1 - p`` is ``p (1 - p)``, the sigmoid-adjusted derivative, over the probability p of being asked.
    Bias: its mean is ``slope p (1 - p) f'(1)``, exact for losses linear in the bits, as the sigmoid-adjusted
    straight-through is. Variance: higher than its, ``slope^2 p (1 - p)^3 f'(1)^2`` for a linear loss.
    Source: none that we know; the score of one outcome, ``d log P(b = 1) / dx``, times that outcome's derivative.
    """
    if not wants_gradient(logits):
        return decide(logits, threshold, slope)
    with torch.no_grad():
        decision = decide(logits, threshold, slope)
        derivative = (torch.sigmoid(-slope * at_least_float32(logits)) * decision * slope).to(logits.dtype)
    return substitute(logits, decision, derivative)
