"""The straight-through estimator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bgmusic.neurons.estimators.decision import (
    SurrogateFunction,
    decide,
    first_only,
    records_operations,
    refuse_constants,
    substitute,
    wants_gradient,
)
from bgmusic.neurons.estimators.registry import register


class _StraightThrough(SurrogateFunction):
    @staticmethod
    def forward(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
        return decide(logits, threshold, slope)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor | None, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])  # to refuse a second derivative

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        refuse_constants(ctx.needs_input_grad[2:])
        # A first derivative does not read the logits, so they may have been changed in place since.
        (gradient,) = gradients
        return (first_only(gradient, *ctx.saved_tensors) if torch.is_grad_enabled() else gradient), None, None


@register("straight-through")
def straight_through(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
    """Pass the gradient through unchanged: ``db/dx := 1``, as if the neuron were the identity.

    The slope affects the decision only.

    Bias: in expectation it gives ``E[f'(b)]``. The exact gradient for a loss f of one bit is
    ``slope p (1 - p) (f(1) - f(0))``, so even for a linear loss the estimate is ``1 / (slope p (1 - p))`` times too
    large, 4 / slope or more (per bit; the signs agree). Variance: that of ``f'(b)`` alone; none for a linear loss.

    Source: Bengio, Léonard and Courville, arXiv 1308.3432, section 4; BinaryGAN, arXiv 1810.04714.
    """
    if not wants_gradient(logits):
        return decide(logits, threshold, slope)
    if records_operations():
        with torch.no_grad():
            decision = decide(logits, threshold, slope)
            derivative = torch.ones_like(logits)
        return substitute(logits, decision, derivative)
    output: Tensor = _StraightThrough.apply(logits, threshold, slope)
    return output
