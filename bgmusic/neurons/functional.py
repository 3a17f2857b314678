"""Binary neurons as pure functions: a decision in the forward pass, an estimator in the backward pass."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bgmusic.neurons.draws import uniform_draws
from bgmusic.neurons.estimators import RELAXED, TEMPERED, find


def check_floating(x: Tensor, name: str = "logits") -> None:
    """Raise ValueError if the tensor ``name`` does not have a floating-point type, TypeError if it is no tensor."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a tensor, not {type(x).__name__}")
    if not x.is_floating_point():
        raise ValueError(f"{name} must be floating-point numbers, not {x.dtype}: convert them with .float()")


def _positive(name: str, value: float | Tensor) -> float | Tensor:
    """Check a slope or temperature: a positive number, or a 0-d tensor."""
    if not isinstance(value, Tensor):  # a tensor's value stays on its device
        if not 0 < value < math.inf:
            raise ValueError(f"the {name} must be a positive, finite number, not {value}")
    elif value.dim():
        raise ValueError(f"the {name} must be a number or a 0-d tensor, not a tensor of shape {tuple(value.shape)}")
    return value


def _constant(name: str, value: float | Tensor, estimator: str) -> float | Tensor:
    """Check a slope or temperature: a positive number, or a 0-d tensor whose gradient the estimator provides."""
    value = _positive(name, value)
    if isinstance(value, Tensor) and value.requires_grad and torch.is_grad_enabled() and estimator not in RELAXED:
        relaxed = ", ".join(sorted(RELAXED))
        raise ValueError(f"{estimator} gives no gradient by its {name}: detach it, or use a relaxed one ({relaxed})")
    return value


def _estimate(
    name: str, logits: Tensor, threshold: Tensor | None, slope: float | Tensor, temperature: float | Tensor
) -> Tensor:
    estimator = find(name)
    check_floating(logits)
    slope = _constant("slope", slope, name)
    if not isinstance(slope, Tensor):
        slope = torch.tensor(slope, dtype=torch.float32, device=logits.device)
    if name in TEMPERED:
        return estimator(logits, threshold, slope, _constant("temperature", temperature, name))
    return estimator(logits, threshold, slope)


def dbn(
    logits: Tensor,
    slope: float | Tensor = 1.0,
    estimator: str = "sigmoid-adjusted",
    temperature: float | Tensor = 1.0,
) -> Tensor:
    """Apply a deterministic binary neuron, ``u(sigmoid(slope x) - 0.5)``: 1 where ``x > 0``, else 0 (also at a tie).

    Args:
        logits: real numbers of any shape and floating type.
        slope: the sigmoid's slope, a positive number or 0-d tensor (whose value is not checked).
        estimator: name of the gradient estimator, see :mod:`bgmusic.neurons.estimators`.
        temperature: a positive number or 0-d tensor, for the estimators that have one; others ignore it.

    Returns:
        Zeros and ones of the logits' shape and type (numbers between them under a relaxed estimator).

    Raises:
        ValueError: the logits are not floating, the estimator is unknown, or slope or temperature is not positive,
            not 0-d, or requires a gradient that the estimator does not provide (relaxed ones do).

    Source: BinaryGAN, arXiv 1810.04714, equation 1.

    """
    return _estimate(estimator, logits, None, slope, temperature)


def sbn(
    logits: Tensor,
    slope: float | Tensor = 1.0,
    estimator: str = "sigmoid-adjusted",
    generator: torch.Generator | None = None,
    temperature: float | Tensor = 1.0,
    thresholds: Tensor | None = None,
) -> Tensor:
    """Apply a stochastic binary neuron, ``u(sigmoid(slope x) - v)``, ``v ~ U[0, 1)``: 1 with the sigmoid's probability.

    Args:
        logits: real numbers of any shape and floating type.
        slope: the sigmoid's slope, a positive number or 0-d tensor (whose value is not checked).
        estimator: name of the gradient estimator, see :mod:`bgmusic.neurons.estimators`.
        generator: source of the draws, on the logits' device; the global one by default.
        temperature: a positive number or 0-d tensor, for the estimators that have one; others ignore it.
        thresholds: values for ``v`` in [0, 1) (not checked) instead of independent draws, floating, of the logits'
            shape or one that broadcasts to it. Neurons that share a threshold decide together; each still fires with
            its own probability if the threshold is uniform. The generator is not used. Thresholds get no gradient.

    Returns:
        Zeros and ones of the logits' shape and type (numbers between them under a relaxed estimator).

    Raises:
        ValueError: logits or thresholds are not floating, thresholds don't broadcast to the logits' shape, the
            estimator is unknown, or slope or temperature is not positive, not 0-d, or requires a gradient that the
            estimator does not provide (relaxed ones do).

    Source: BinaryGAN, arXiv 1810.04714, equation 2.

    """
    check_floating(logits)
    if thresholds is None:
        # Float32 whatever the logits' type: the 8 bits of bfloat16 would bias the probabilities.
        thresholds = uniform_draws(logits.shape, generator, logits.device)
    else:
        thresholds = _broadcast(thresholds, logits)
    return _estimate(estimator, logits, thresholds, slope, temperature)


def _broadcast(thresholds: Tensor, logits: Tensor) -> Tensor:
    check_floating(thresholds, "thresholds")
    try:
        return thresholds.detach().expand(logits.shape)
    except RuntimeError:
        shapes = f"{tuple(thresholds.shape)} don't broadcast to the logits' {tuple(logits.shape)}"
        raise ValueError(f"thresholds of shape {shapes}") from None


def preactivate(logits: Tensor, slope: float | Tensor = 1.0) -> Tensor:
    """Return the preactivated outputs ``sigmoid(slope x)`` in [0, 1], of the logits' shape and type.

    Raises:
        ValueError: the logits are not floating, or the slope is not a positive number.

    """
    check_floating(logits)
    return torch.sigmoid(_positive("slope", slope) * logits)


def hard_threshold(preactivated: Tensor) -> Tensor:
    """Binarize the outputs of a real-valued model by hard thresholding (HT): 1 where they exceed 0.5, else 0.

    Args:
        preactivated: numbers in [0, 1] of any shape and floating type.

    Returns:
        Zeros and ones of the same shape and type.

    Raises:
        ValueError: the numbers are not floating.

    Source: BinaryGAN, arXiv 1810.04714, section 4.4.

    """
    check_floating(preactivated, "preactivated outputs")
    return (preactivated > 0.5).to(preactivated.dtype)


def bernoulli_sample(
    preactivated: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
) -> Tensor:
    """Binarize the outputs of a real-valued model by Bernoulli sampling (BS): 1 with their probability.

    Args:
        preactivated: probabilities in [0, 1] of any shape and floating type.
        generator: source of the draws, on the same device; the global one by default.
        thresholds: uniform numbers in [0, 1) to use instead of draws, as in :func:`sbn`.

    Returns:
        Zeros and ones of the same shape and type.

    Raises:
        ValueError: the numbers are not floating, or thresholds don't broadcast to their shape.

    Source: BinaryGAN, arXiv 1810.04714, section 4.4.

    """
    check_floating(preactivated, "preactivated outputs")
    if thresholds is None:
        thresholds = uniform_draws(preactivated.shape, generator, preactivated.device)
    else:
        thresholds = _broadcast(thresholds, preactivated)
    return (thresholds < preactivated.float()).to(preactivated.dtype)
