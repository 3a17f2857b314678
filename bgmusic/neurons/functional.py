"""Binary neurons as pure functions: a decision in the forward pass, an estimator in the backward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.draws import uniform_draws
from bgmusic.neurons.estimators import RELAXED, TEMPERED, find


def _estimate(
    name: str, logits: Tensor, threshold: Tensor | None, slope: float | Tensor, temperature: float | Tensor
) -> Tensor:
    estimator = find(name)
    if not isinstance(slope, Tensor):
        slope = torch.tensor(slope, dtype=torch.float32, device=logits.device)
    elif slope.requires_grad:
        _refuse_learning(name, "slope")
    if name in TEMPERED:
        if isinstance(temperature, Tensor) and temperature.requires_grad:
            _refuse_learning(name, "temperature")
        return estimator(logits, threshold, slope, temperature)
    return estimator(logits, threshold, slope)


def _refuse_learning(name: str, what: str) -> None:
    """A stand-in for the derivative by the logits is none by the slope: better said than silently missing."""
    if torch.is_grad_enabled() and name not in RELAXED:
        relaxed = ", ".join(sorted(RELAXED))
        raise ValueError(f"{name} gives no gradient by its {what}: detach it, or take a relaxed estimator ({relaxed})")


def dbn(
    logits: Tensor,
    slope: float | Tensor = 1.0,
    estimator: str = "sigmoid-adjusted",
    temperature: float | Tensor = 1.0,
) -> Tensor:
    """Deterministic binary neuron: ``u(sigmoid(slope x) - 0.5)``, so 1 where ``x > 0`` and 0 at a tie.

    Args:
        logits: real numbers of any shape and floating type.
        slope: the sigmoid's slope, a positive number or 0-d tensor.
        estimator: name of the gradient estimator, see :mod:`bgmusic.neurons.estimators`.
        temperature: for the estimators that have one, a positive number or 0-d tensor; others ignore it.

    Returns:
        Zeros and ones of the logits' shape and type (numbers between them under a relaxed estimator).

    Raises:
        ValueError: the estimator is unknown, or slope or temperature want a gradient that it does not give: relaxed
            ones alone do.

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
    """Stochastic binary neuron: ``u(sigmoid(slope x) - v)``, ``v ~ U[0, 1)``; fires with probability sigmoid.

    Args:
        logits: real numbers of any shape and floating type.
        slope: the sigmoid's slope, a positive number or 0-d tensor.
        estimator: name of the gradient estimator, see :mod:`bgmusic.neurons.estimators`.
        generator: source of the draws, on the logits' device; the global one by default.
        temperature: for the estimators that have one, a positive number or 0-d tensor; others ignore it.
        thresholds: the ``v`` themselves, floating, of the logits' shape or one that broadcasts to it, instead of
            independent draws: neurons that share a number decide together, and each still fires with its own
            probability if its number is uniform in [0, 1). The generator is then left alone; nothing is
            differentiated by them.

    Returns:
        Zeros and ones of the logits' shape and type (numbers between them under a relaxed estimator).

    Raises:
        ValueError: the estimator is unknown, thresholds are not floating or don't broadcast to the logits' shape, or
            slope or temperature want a gradient that it does not give: relaxed ones alone do.

    Source: BinaryGAN, arXiv 1810.04714, equation 2.

    """
    if thresholds is not None:
        return _estimate(estimator, logits, _given(thresholds, logits), slope, temperature)
    # Float32 whatever the logits' type: bfloat16's 8 bits would skew the odds.
    draws = uniform_draws(logits.shape, generator, logits.device)
    return _estimate(estimator, logits, draws, slope, temperature)


def _given(thresholds: Tensor, logits: Tensor) -> Tensor:
    """Thresholds of the caller's, of the logits' shape."""
    if not thresholds.is_floating_point():
        raise ValueError(f"thresholds are floating-point numbers in [0, 1), not {thresholds.dtype}")
    try:
        return thresholds.detach().expand(logits.shape)
    except RuntimeError:
        shapes = f"{tuple(thresholds.shape)} don't broadcast to the logits' {tuple(logits.shape)}"
        raise ValueError(f"thresholds of shape {shapes}") from None


def preactivate(logits: Tensor, slope: float | Tensor = 1.0) -> Tensor:
    """Preactivated outputs, ``sigmoid(slope x)`` in [0, 1]: the number that a binary neuron thresholds."""
    return torch.sigmoid(slope * logits)


def hard_threshold(preactivated: Tensor) -> Tensor:
    """HT: 1 where a real-valued model's preactivated output exceeds 0.5, else 0 (BinaryGAN, section 4.4)."""
    return (preactivated > 0.5).to(preactivated.dtype)


def bernoulli_sample(preactivated: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """BS: 1 with a probability of the real-valued model's preactivated output (BinaryGAN, section 4.4)."""
    draws = uniform_draws(preactivated.shape, generator, preactivated.device)
    return (draws < preactivated.float()).to(preactivated.dtype)
