"""Check the tensors that users pass to networks."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.rolls.shape import RollShape


def check_shape(phrases: Tensor, shape: RollShape) -> None:
    """Check that phrases are a floating-point tensor ``(batch, channels, bars, steps, pitches)``.

    Raises:
        TypeError: not floating-point.
        ValueError: another shape.

    """
    expected = shape.channels, shape.bars, shape.steps, shape.pitches
    if not phrases.is_floating_point():
        raise TypeError(f"phrases must be floating-point, not {phrases.dtype}; convert them with .float()")
    if phrases.dim() != 5 or phrases.shape[1:] != expected:
        raise ValueError(f"phrases have shape {tuple(phrases.shape)}, not (batch, {', '.join(map(str, expected))})")


def check_phrases(phrases: Tensor, shape: RollShape) -> None:
    """Check that phrases have the type and shape of :func:`check_shape`, and are zeros and ones.

    Values on a GPU are not checked, since the check would wait for it.

    Raises:
        TypeError: not floating-point.
        ValueError: another shape, or other values.

    """
    check_shape(phrases, shape)
    if phrases.device.type == "cpu" and not bool(((phrases == 0) | (phrases == 1)).all()):
        raise ValueError("phrases must be zeros and ones")


def check_inputs(phrases: Tensor, units: Tensor, noise: Tensor, shape: RollShape, latent: int) -> None:
    """Check phrases, the units to compose in them, and noise.

    Args:
        phrases: see :func:`check_phrases`.
        units: boolean ``(batch, tracks, bars * beats)``.
        noise: floating-point ``(batch, latent)``.
        shape: of the phrases.
        latent: numbers of noise of a phrase.

    Raises:
        TypeError: an argument has another dtype.
        ValueError: an argument has another shape.

    """
    check_phrases(phrases, shape)
    expected = len(phrases), len(shape.track_set), shape.bars * shape.beats
    if units.dtype != torch.bool:
        raise TypeError(f"units must be boolean, not {units.dtype}")
    if units.shape != expected:
        raise ValueError(f"units have shape {tuple(units.shape)}, not {expected}")
    check_noise(noise, latent)
    if len(noise) != len(phrases):
        raise ValueError(f"{len(phrases)} phrases need as many rows of noise, not {len(noise)}")


def check_noise(noise: Tensor, latent: int) -> None:
    """Check that noise is a floating-point tensor ``(batch, latent)``.

    Raises:
        TypeError: not floating-point.
        ValueError: another shape.

    """
    if not noise.is_floating_point():
        raise TypeError(f"noise must be floating-point, not {noise.dtype}")
    if noise.dim() != 2 or noise.shape[1] != latent:
        raise ValueError(f"noise has shape {tuple(noise.shape)}, not (batch, {latent})")
