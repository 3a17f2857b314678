"""The binary decision of the forward pass, and the means to replace its derivative in the backward pass."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional as F

_is_tracing: Callable[[], bool] = getattr(torch.jit, "is_tracing", lambda: False)  # torch.jit is deprecated


def decide(logits: Tensor, threshold: Tensor | None, slope: float | Tensor) -> Tensor:
    """Return the decision ``u(sigmoid(slope * x) - v)`` as zeros and ones of the logits' type, without a gradient.

    The unit step is 0 at a tie: ``u(0) = 0``. Probability 0 never fires and probability 1 always fires, because
    ``v < 1``. NaN stays NaN.

    Args:
        logits: real numbers ``x`` of any shape and floating type.
        threshold: ``v``, numbers in [0, 1) of the logits' shape, or None for ``v = 0.5``.
        slope: the sigmoid's slope, a positive number or 0-d tensor.

    Raises:
        ValueError: the threshold does not have the logits' shape.

    """
    # Clamping and rounding up is a vectorised unit step, five times faster than a comparison and a conversion.
    if threshold is None:
        # sigmoid(x) > 0.5 where x > 0. Unlike the sigmoid, the sign of x is exact in low precision.
        return logits.clamp(0, 1).ceil_()
    if threshold.shape != logits.shape:
        raise ValueError(f"the threshold has shape {tuple(threshold.shape)}, the logits {tuple(logits.shape)}")
    # Compare in float32 whatever the logits' type: bfloat16 has too few bits for a probability.
    probability = (slope * logits.float()).sigmoid_()
    # Not in place: under vmap, the thresholds may have a batch dimension that the probabilities lack.
    excess = probability - threshold
    # The clamp that vmap supports in place.
    return F.hardtanh(excess, 0.0, 1.0, inplace=True).ceil_().to(logits.dtype)


def at_least_float32(logits: Tensor) -> Tensor:
    """Convert half precision to float32: in bfloat16, ``1 - sigmoid(6)`` rounds to 0."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


def records_operations() -> bool:
    """Return whether ``torch.compile``, ``torch.export`` or ``torch.jit.trace`` is recording the operations."""
    return torch.compiler.is_compiling() or _is_tracing()


def wants_gradient(logits: Tensor) -> bool:
    """Return whether autograd may follow this call, so that an estimator has to provide its derivative."""
    if records_operations():
        return torch.is_grad_enabled() and logits.requires_grad
    # `requires_grad` is not reliable here: a transform such as vmap hides it. Forward mode works without gradients
    # enabled; a plain decision would have a silent derivative of 0.
    return torch.is_grad_enabled() or forward_ad.unpack_dual(logits).tangent is not None


class SurrogateFunction(torch.autograd.Function):
    """Base of the functions whose backward pass is an estimator: supports ``torch.func``, refuses forward mode."""

    generate_vmap_rule = True

    def __init_subclass__(cls) -> None:
        # torch inspects the signature of `forward` at every call, which takes longer than deciding a few thousand
        # logits. An attached signature is found at once.
        vars(cls.forward)["__signature__"] = inspect.signature(cls.forward)

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> Any:
        """Refuse forward-mode differentiation."""
        raise NotImplementedError(
            "a binary neuron has no forward-mode derivative (jvp): its gradient is an estimate of the backward pass. "
            "Use reverse mode (backward, torch.func.grad, torch.func.vjp)"
        )


class _FirstDerivativeOnly(SurrogateFunction):
    """Return the first input. Differentiating the result is an error."""

    @staticmethod
    def forward(gradient: Tensor, *sources: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Tensor:
        raise RuntimeError(
            "a binary neuron has no second derivative: its gradient is an estimate. "
            "Take gradient penalties with respect to inputs that are not computed by a neuron "
            "(detach the neuron's output first)"
        )


def first_only(gradient: Tensor, *sources: Tensor) -> Tensor:
    """Return the gradient such that differentiating it again, with respect to any source, raises an error.

    Name the logits as a source even if the gradient by the decision is a constant: the estimate depends on them.
    """
    # The backward pass itself is recorded under create_graph only.
    if torch.is_grad_enabled():
        guarded: Tensor = _FirstDerivativeOnly.apply(gradient, *sources)
        return guarded
    return gradient


def refuse_constants(needed: Sequence[bool]) -> None:
    """Raise an error if a gradient is wanted by a slope or a temperature, which no estimator here provides."""
    if any(needed):
        raise RuntimeError("a binary neuron gives no gradient by its slope or temperature: detach them")


class _Substitute(SurrogateFunction):
    @staticmethod
    def forward(logits: Tensor, pair: tuple[Tensor, Tensor], *constants: float | Tensor) -> Tensor:
        # In a tuple, because an input that is returned would be a view, which refuses operations in place.
        return pair[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        logits, (_, derivative), *_ = inputs
        ctx.save_for_backward(logits, derivative)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        constants = ctx.needs_input_grad[2:]
        refuse_constants(constants)
        logits, derivative = ctx.saved_tensors
        return first_only(gradients[0] * derivative, logits), None, *[None] * len(constants)


def substitute(logits: Tensor, decision: Tensor, derivative: Tensor, *constants: float | Tensor) -> Tensor:
    """Return the decision, with the given derivative with respect to the logits.

    A second derivative, and forward-mode differentiation, raise an error.

    Args:
        logits: real numbers of any shape and floating type.
        decision: the value, of the logits' shape; without a gradient of its own.
        derivative: factor of the backward pass, of the logits' shape.
        constants: slope and temperature, for which a gradient is refused.

    Raises:
        ValueError: the decision or the derivative does not have the logits' shape.

    """
    for name, tensor in (("decision", decision), ("derivative", derivative)):
        if tensor.shape != logits.shape:
            raise ValueError(f"the {name} has shape {tuple(tensor.shape)}, the logits {tuple(logits.shape)}")
    if records_operations():
        # Plain operations, which a compiler can fuse. The carrier is 0 in value, also where a logit is infinite.
        carrier: Tensor = (logits - logits.detach()).nan_to_num(0.0)
        return decision + derivative * carrier
    output: Tensor = _Substitute.apply(logits, (decision, derivative), *constants)
    return output
