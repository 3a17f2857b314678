"""The decision that every estimator's forward pass takes, and what their backward passes share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from bgmusic.neurons import kernel


def decide(logits: Tensor, threshold: Tensor | int | None, slope: float | Tensor) -> Tensor:
    """The decision itself, ``u(sigmoid(slope * x) - v)``, as zeros and ones of the logits' type.

    At a tie the neuron stays silent: ``u(0) = 0``. The deterministic neuron looks at the logit's sign, since
    ``sigmoid(x) > 0.5`` where ``x > 0``, so that rounding of the sigmoid in low precision can't move the tie.
    The stochastic one compares in float32 whatever the logits' type: bfloat16 has too few bits to draw from.
    A probability of 0 never fires and a probability of 1 always does, because v < 1. NaN stays NaN.
    """
    if isinstance(slope, float) and kernel.decides(logits, threshold):
        return kernel.decide(logits, threshold, slope)
    if isinstance(threshold, int):  # of a slope on a GPU, or since it was drawn threads became more
        threshold = kernel.draw(threshold, logits.shape)
    # The unit step as two vectorised operations, five times faster than a comparison and a conversion:
    # ceil leaves 0 alone and lifts whatever is above it to 1, however small.
    if threshold is None:
        return logits.clamp(0, 1).ceil_()
    argument = scaled(logits.float(), slope)
    probability = torch.sigmoid(argument) if argument is logits else argument.sigmoid_()
    # Thresholds may differ where probabilities don't (vmap): then these can't be overwritten.
    excess = probability - threshold if kernel.watched() else probability.sub_(threshold)
    return excess.clamp_(0, 1).ceil_().to(logits.dtype)


def number(slope: Tensor) -> float | Tensor:
    """The slope as a number where it lies on the CPU: cheaper than a tensor, and it can be seen to be 1."""
    # Looking would stall a GPU, break a compiled graph, and leave it out of any other.
    return slope.item() if slope.is_cpu and not kernel.watched() else slope


def precise(logits: Tensor) -> Tensor:
    """The logits in float32 or better: in bfloat16 the probability of a logit of 6 rounds to 1, its derivative to 0."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


def scaled(logits: Tensor, slope: float | Tensor) -> Tensor:
    """``slope * logits``; the logits themselves where the slope is the number 1."""
    return logits if isinstance(slope, float) and slope == 1 else slope * logits


def wants_gradient(logits: Tensor) -> bool:
    """Whether a backward pass may follow, so that an estimator has something to prepare; or, forward, to refuse."""
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        while torch._C._functorch.is_functorch_wrapped_tensor(logits):  # vmap hides what lies below
            if logits.requires_grad:
                return True
            logits = torch._C._functorch.get_unwrapped(logits)
    return (torch.is_grad_enabled() and logits.requires_grad) or forward_ad._current_level >= 0


class _FirstDerivativeOnly(torch.autograd.Function):
    """The identity on a surrogate gradient; differentiating that gradient again is an error."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *sources: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Tensor:
        raise RuntimeError(
            "a binary neuron has no second derivative: its gradient is an estimator's stand-in. "
            "Take gradient penalties with respect to inputs that are not computed by a neuron "
            "(detach the neuron's output first)"
        )


def first_only(gradient: Tensor, *sources: Tensor) -> Tensor:
    """The gradient; differentiating it again, by any of its sources, is an error that says what to do instead.

    The logits are a source even where the gradient by the decision is a constant: what the stand-in is depends on them.
    """
    # Under create_graph the backward pass itself is recorded; only then is there anything to refuse.
    if torch.is_grad_enabled():
        refused: Tensor = _FirstDerivativeOnly.apply(gradient, *sources)
        return refused
    return gradient


class _Substitute(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, given: tuple[Tensor, Tensor]) -> Tensor:
        # In a tuple: an input that is returned would count as a view, which refuses operations in place.
        decision, derivative = given
        ctx.save_for_backward(derivative, logits)
        return decision

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        derivative, logits = ctx.saved_tensors
        return first_only(gradients[0] * derivative, logits), None


def substitute(logits: Tensor, decision: Tensor, derivative: Tensor) -> Tensor:
    """The ``decision``, with ``derivative`` for its derivative by the logits; all of one shape and type."""
    if torch.compiler.is_compiling():
        # Plain operations fuse, and tracing a Function warns. Zero in value, also where a logit is infinite.
        carrier: Tensor = (logits - logits.detach()).nan_to_num(0.0)
        return decision + derivative * carrier
    output: Tensor = _Substitute.apply(logits, (decision, derivative))
    return output
