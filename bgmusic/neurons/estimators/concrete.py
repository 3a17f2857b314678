"""Binary Concrete (Gumbel-sigmoid) relaxations."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.estimators.decision import decide, substitute, wants_gradient
from bgmusic.neurons.estimators.registry import register


def _relaxed(logits: Tensor, threshold: Tensor | None, slope: Tensor, temperature: float | Tensor) -> Tensor:
    # sigmoid(slope x) > v where slope x - logit(v) > 0, and -logit(v) is logistic noise: the same draws give the
    # same decisions as with every other estimator. In float32, to keep the tails of the noise.
    argument = slope * logits.float()
    if threshold is not None:
        # A draw of 0 stands for the half cell above it, because logit(0) is infinite.
        argument = argument - torch.logit(threshold.clamp(min=2.0**-25))
    return torch.sigmoid(argument / temperature)


@register("concrete", tempered=True, relaxed=True)
def concrete(logits: Tensor, threshold: Tensor | None, slope: Tensor, temperature: float | Tensor = 1.0) -> Tensor:
    """Relax the decision to binary Concrete (Gumbel-sigmoid): ``c = sigmoid((slope x - logit(v)) / temperature)``.

    The output lies between 0 and 1 in training mode and rounds to the decision of the same draws. A neuron in
    evaluation mode outputs bits. The derivative is exact: ``dc/dx = slope c (1 - c) / temperature``.

    Bias: it is the gradient of ``E[f(c)]`` and not of ``E[f(b)]``, and vanishes as the temperature falls to 0.
    Variance: grows as 1 / temperature when the temperature falls.

    Source: Maddison, Mnih and Teh, arXiv 1611.00712; Jang, Gu and Poole, arXiv 1611.01144.
    """
    return _relaxed(logits, threshold, slope, temperature).to(logits.dtype)


@register("concrete-straight-through", tempered=True)
def concrete_straight_through(
    logits: Tensor, threshold: Tensor | None, slope: Tensor, temperature: float | Tensor = 1.0
) -> Tensor:
    """Output bits and take the derivative of binary Concrete (straight-through Gumbel-sigmoid).

    ``db/dx := slope c (1 - c) / temperature`` with the relaxed ``c`` of the same draws.

    Bias: the mean of ``c (1 - c) / temperature`` is not ``p (1 - p)`` (at x = 0 and temperature 1: 1/6 against 1/4), so
    even for linear losses it is not exact; the bias vanishes as the temperature falls.
    Variance: grows as 1 / temperature.

    Source: Jang, Gu and Poole, arXiv 1611.01144, section 2.2.
    """
    if not wants_gradient(logits):
        return decide(logits, threshold, slope)
    with torch.no_grad():
        relaxed = _relaxed(logits, threshold, slope, temperature)
        derivative = (relaxed * (1 - relaxed) * (slope / temperature)).to(logits.dtype)
        decision = decide(logits, threshold, slope)
    return substitute(logits, decision, derivative, slope, temperature)
