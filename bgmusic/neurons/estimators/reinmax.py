"""The ReinMax estimator for two states."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.estimators.decision import at_least_float32, decide, substitute, wants_gradient
from bgmusic.neurons.estimators.registry import register


@register("reinmax", tempered=True)
def reinmax(logits: Tensor, threshold: Tensor | None, slope: Tensor, temperature: float | Tensor = 1.0) -> Tensor:
    """Estimate the gradient to second order by Heun's method (ReinMax).

    With ``p = sigmoid(slope x)``, ``q = sigmoid(slope x / temperature)`` and ``m = (b + q) / 2``, the derivative is
    ``db/dx := slope (2 m (1 - m) - p (1 - p) / 2)``. At temperature 1 this is ``slope |b - p| / 2``, the paper's
    algorithm 2 for two states.

    Bias: at temperature 1 its mean is ``slope p (1 - p) (f'(0) + f'(1)) / 2``, the trapezoidal rule for
    ``f(1) - f(0)``: exact for losses quadratic in each bit. For cubic losses it is off by ``f''' / 12``.
    Variance: that of ``|b - p| f'(b) / 2``; a temperature over 1 lowers it at the price of bias.

    Source: Liu, Dong, Liu, Yu and Gao, arXiv 2304.08612, section 4, algorithm 2.
    """
    if not wants_gradient(logits):
        return decide(logits, threshold, slope)
    with torch.no_grad():
        decision = decide(logits, threshold, slope)
        argument = slope * at_least_float32(logits)
        p = torch.sigmoid(argument)
        middle = (decision + torch.sigmoid(argument / temperature)) / 2
        derivative = ((2 * middle * (1 - middle) - p * (1 - p) / 2) * slope).to(logits.dtype)
    return substitute(logits, decision, derivative, slope, temperature)
