"""The sigmoid-adjusted straight-through estimator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bgmusic.neurons.estimators.decision import (
    SurrogateFunction,
    at_least_float32,
    decide,
    first_only,
    records_operations,
    refuse_constants,
    substitute,
    wants_gradient,
)
from bgmusic.neurons.estimators.registry import register

_sigmoid_backward = torch.ops.aten.sigmoid_backward.default


class _SigmoidAdjusted(SurrogateFunction):
    """Compute the derivative in the backward pass: nothing but the logits has to be kept until then."""

    @staticmethod
    def forward(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
        return decide(logits, threshold, slope)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor | None, Tensor], output: Tensor) -> None:
        logits, _, slope = inputs
        ctx.save_for_backward(logits, slope)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        refuse_constants(ctx.needs_input_grad[2:])
        logits, slope = ctx.saved_tensors
        probability = (slope * at_least_float32(logits)).sigmoid_()
        derived = _sigmoid_backward(gradients[0].to(probability.dtype), probability)
        return first_only(derived.mul_(slope).to(logits.dtype), logits), None, None


@register("sigmoid-adjusted")
def sigmoid_adjusted(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
    """Estimate the gradient by the sigmoid's: ``db/dx := slope p (1 - p)``, ``p = sigmoid(slope x)``.

    Bias: in expectation over the stochastic neuron's draws it gives ``slope p (1 - p) E[f'(b)]``. This is exact for
    losses that are linear in the bits (each bit's derivative may depend on the other bits), and off by
    ``E[f'(b)] - (f(1) - f(0))`` otherwise. Variance: that of ``f'(b)`` alone; none for a linear loss.
    The slope may grow during training (slope annealing).

    Source: BinaryGAN, arXiv 1810.04714; slope annealing: Chung, Ahn and Bengio, arXiv 1609.01704.
    """
    if not wants_gradient(logits):
        return decide(logits, threshold, slope)
    if records_operations():
        with torch.no_grad():
            decision = decide(logits, threshold, slope)
            probability = torch.sigmoid(slope * at_least_float32(logits))
            derivative = (probability * (1 - probability) * slope).to(logits.dtype)
        return substitute(logits, decision, derivative)
    output: Tensor = _SigmoidAdjusted.apply(logits, threshold, slope)
    return output
