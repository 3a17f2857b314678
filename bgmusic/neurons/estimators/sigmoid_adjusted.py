"""The sigmoid-adjusted straight-through estimator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bgmusic.neurons import kernel
from bgmusic.neurons.estimators.decision import decide, first_only, number, precise, scaled, substitute, wants_gradient
from bgmusic.neurons.estimators.registry import register

_sigmoid_backward = torch.ops.aten.sigmoid_backward


class _SigmoidAdjusted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, threshold: Tensor | int | None, slope: float | Tensor) -> Tensor:
        # A slope on a GPU is saved as tensors are, so that changing it before the backward pass is found out.
        ctx.save_for_backward(logits, *[slope] * isinstance(slope, Tensor))
        ctx.slope = None if isinstance(slope, Tensor) else slope
        return decide(logits, threshold, slope)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        logits, *slopes = ctx.saved_tensors
        slope = slopes[0] if slopes else ctx.slope
        gradient = gradients[0].contiguous()
        if isinstance(slope, float) and kernel.decides(logits, gradient):
            return first_only(kernel.differentiate(logits, gradient, slope), logits, gradient), None, None
        probability = torch.sigmoid(scaled(precise(logits), slope))
        derived = _sigmoid_backward.default(gradient.to(probability.dtype), probability)
        return first_only(scaled(derived, slope).to(logits.dtype), logits), None, None  # a factor of 1 changes no bit


@register("sigmoid-adjusted", keyed=True)
def sigmoid_adjusted(logits: Tensor, threshold: Tensor | int | None, slope: Tensor) -> Tensor:
    """The sigmoid-adjusted straight-through estimator: ``db/dx := slope p (1 - p)``, ``p = sigmoid(slope x)``.

    Bias: in expectation over the stochastic neuron's draws it gives ``slope p (1 - p) E[f'(b)]``, which is exact
    for losses that are linear in the bits (each bit's derivative may depend on the other bits), and off by
    ``E[f'(b)] - (f(1) - f(0))`` otherwise. Variance: that of ``f'(b)`` alone; none for a linear loss.
    Its slope may grow during training (slope annealing).
    Source: BinaryGAN, arXiv 1810.04714; slope annealing: Chung, Ahn and Bengio, arXiv 1609.01704.
    """
    if torch.compiler.is_compiling():
        with torch.no_grad():
            decision = decide(logits, threshold, slope)
            probability = torch.sigmoid(slope * precise(logits))
            derivative = (probability * (1 - probability) * slope).to(logits.dtype)
        return substitute(logits, decision, derivative)
    if not wants_gradient(logits):
        return decide(logits, threshold, number(slope))
    output: Tensor = _SigmoidAdjusted.apply(logits, threshold, number(slope))
    return output
