"""The clipped straight-through estimator."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.estimators.decision import at_least_float32, decide, substitute, wants_gradient
from bgmusic.neurons.estimators.registry import register


@register("clipped-straight-through")
def clipped_straight_through(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
    """Pass the gradient through near the decision boundary: ``db/dx := 1`` where ``|slope x| <= 1``, else 0.

    Saturated logits stop learning, which keeps logits bounded.

    Bias: the straight-through's inside the window; outside it the gradient is lost.
    Variance: no more than the straight-through's.

    Source: Courbariaux, Hubara et al., Binarized Neural Networks, arXiv 1602.02830, equation 4.
    """
    if not wants_gradient(logits):
        return decide(logits, threshold, slope)
    with torch.no_grad():
        inside = ((slope * at_least_float32(logits)).abs() <= 1).to(logits.dtype)
        decision = decide(logits, threshold, slope)
    return substitute(logits, decision, inside, slope)
