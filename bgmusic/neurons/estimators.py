"""Gradient estimators: what stands in for a binary neuron's derivative, found by name.

A binary neuron computes ``b = u(sigmoid(slope * x) - v)``, with a threshold ``v`` of 0.5 (deterministic)
or drawn from U[0, 1) (stochastic). Its derivative is zero almost everywhere, so backpropagation needs a
stand-in. An estimator is a function ``(logits, threshold, slope) -> output`` whose forward pass decides and
whose backward pass is that stand-in; :func:`register` adds one, and every neuron finds it by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Estimator = Callable[[Tensor, "Tensor | None", Tensor], Tensor]
"""``(logits, threshold, slope) -> output``, all of the logits' shape but the 0-d slope.

``threshold`` is None for the deterministic neuron, or float32 draws from U[0, 1).
"""

ESTIMATORS: dict[str, Estimator] = {}


def register(name: str) -> Callable[[Estimator], Estimator]:
    """Decorate an estimator to make it known to every neuron as ``name``."""

    def add(estimator: Estimator) -> Estimator:
        if name in ESTIMATORS:
            raise ValueError(f"an estimator named {name!r} exists already")
        ESTIMATORS[name] = estimator
        return estimator

    return add


def find(name: str) -> Estimator:
    """The estimator called ``name``.

    Raises:
        ValueError: there is none; the message lists those there are.

    """
    try:
        return ESTIMATORS[name]
    except KeyError:
        raise ValueError(f"unknown estimator {name!r}; known: {', '.join(sorted(ESTIMATORS))}") from None


def decide(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
    """The decision itself, ``u(sigmoid(slope * x) - v)``, as zeros and ones of the logits' type.

    At a tie the neuron stays silent: ``u(0) = 0``. The deterministic neuron looks at the logit's sign, since
    ``sigmoid(x) > 0.5`` where ``x > 0``, so that rounding of the sigmoid in low precision can't move the tie.
    The stochastic one compares in float32 whatever the logits' type: bfloat16 has too few bits to draw from.
    A probability of 0 never fires and a probability of 1 always does, because v < 1. NaN stays NaN.
    """
    distance = logits if threshold is None else torch.sigmoid(slope * logits.float()) - threshold
    # The unit step as two vectorised operations, five times faster than a comparison and a conversion:
    # ceil leaves 0 alone and lifts whatever is above it to 1, however small.
    return distance.clamp(0, 1).ceil_().to(logits.dtype)


class _FirstDerivativeOnly(torch.autograd.Function):
    """The identity on a surrogate gradient; differentiating that gradient again is an error."""

    @staticmethod
    def forward(gradient: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Tensor:
        raise RuntimeError(
            "a binary neuron has no second derivative: its gradient is an estimator's stand-in. "
            "Take gradient penalties with respect to inputs that are not computed by a neuron "
            "(detach the neuron's output first)"
        )


def _first_only(gradient: Tensor) -> Tensor:
    # Under create_graph the backward pass itself is recorded; only then is there anything to refuse.
    if torch.is_grad_enabled() and gradient.requires_grad:
        refused: Tensor = _FirstDerivativeOnly.apply(gradient)
        return refused
    return gradient


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
        return decide(logits, threshold, slope)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor | None, Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _first_only(gradients[0]), None, None


class _SigmoidAdjusted(torch.autograd.Function):
    @staticmethod
    def forward(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
        return decide(logits, threshold, slope)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor | None, Tensor], output: Tensor) -> None:
        logits, _, slope = inputs
        ctx.save_for_backward(logits, slope)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        logits, slope = ctx.saved_tensors
        probability = torch.sigmoid(slope * logits)
        derivative: Tensor = torch.ops.aten.sigmoid_backward(gradients[0], probability) * slope
        return _first_only(derivative), None, None


@register("straight-through")
def straight_through(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
    """The straight-through estimator: ``db/dx := 1``, as if the neuron were the identity.

    Biased; no variance of its own. The slope acts on the decision alone.
    Source: Bengio, Léonard and Courville, arXiv 1308.3432, section 4; BinaryGAN, arXiv 1810.04714, section 2.2.
    """
    output: Tensor = _StraightThrough.apply(logits, threshold, slope)
    return output


@register("sigmoid-adjusted")
def sigmoid_adjusted(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
    """The sigmoid-adjusted straight-through estimator: ``db/dx := slope s (1 - s)``, ``s = sigmoid(slope x)``.

    In expectation over the stochastic neuron's draws it is exact for losses that are linear in the bits, and
    biased otherwise; no variance of its own. Its slope may grow during training (slope annealing).
    Source: BinaryGAN, arXiv 1810.04714, section 2.2; Chung, Ahn and Bengio, arXiv 1609.01704, section 2.2.
    """
    output: Tensor = _SigmoidAdjusted.apply(logits, threshold, slope)
    return output
