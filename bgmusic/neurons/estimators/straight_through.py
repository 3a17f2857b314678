"""The straight-through estimator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bgmusic.neurons.estimators.decision import decide, first_only, number, substitute, wants_gradient
from bgmusic.neurons.estimators.registry import register


# The functions of this package take their context first: setup_context, torch's newer form, binds its
# arguments by inspection at every call, which costs more than the whole neuron at a few thousand logits.
class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, threshold: Tensor | int | None, slope: float | Tensor) -> Tensor:
        ctx.save_for_backward(logits)  # for the refusal of a second derivative alone
        return decide(logits, threshold, slope)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        # Not looked at otherwise: logits that were changed meanwhile are no mistake here.
        return (first_only(gradient, *ctx.saved_tensors) if torch.is_grad_enabled() else gradient), None, None


@register("straight-through", keyed=True)
def straight_through(logits: Tensor, threshold: Tensor | int | None, slope: Tensor) -> Tensor:
    """The straight-through estimator: ``db/dx := 1``, as if the neuron were the identity.

    Bias: in expectation it gives ``E[f'(b)]``; the truth for a loss f of one bit is
    ``slope p (1 - p) (f(1) - f(0))``, so even for a linear loss it is ``1 / (slope p (1 - p))`` times too large,
    4 / slope or more (per bit; the signs agree). Variance: that of ``f'(b)`` alone; none for a linear loss.
    The slope acts on the decision alone.
    Source: Bengio, Léonard and Courville, arXiv 1308.3432, section 4; BinaryGAN, arXiv 1810.04714.
    """
    if torch.compiler.is_compiling():
        with torch.no_grad():
            decision = decide(logits, threshold, slope)
            derivative = torch.ones_like(logits)
        return substitute(logits, decision, derivative)
    if not wants_gradient(logits):
        return decide(logits, threshold, number(slope))
    output: Tensor = _StraightThrough.apply(logits, threshold, number(slope))
    return output
