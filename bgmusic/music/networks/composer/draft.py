"""A phrase while it is composed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.rolls.shape import RollShape


@dataclass(frozen=True)
class Draft:
    """A phrase with its bars joined: cells and onsets ``(batch, tracks, bars * steps, pitches)``, zeros and ones.

    ``onsets`` is None in the pause encoding.
    """

    cells: Tensor
    onsets: Tensor | None

    @property
    def planes(self) -> list[Tensor]:
        """The cells, then the onsets if there are any."""
        return [self.cells] if self.onsets is None else [self.cells, self.onsets]

    @property
    def begins(self) -> Tensor:
        """The onsets, of a draft that has them."""
        if self.onsets is None:
            raise TypeError("a draft in the pause encoding has no onsets")
        return self.onsets

    def map(self, function: Callable[[Tensor], Tensor]) -> Draft:
        """Apply a function to the cells and to the onsets."""
        return Draft(function(self.cells), None if self.onsets is None else function(self.onsets))

    def bars(self, bars: int) -> Tensor:
        """Return the content of each bar, ``(batch, tracks, bars, numbers)``."""
        return torch.cat([plane.unflatten(2, (bars, -1)).flatten(3) for plane in self.planes], 3)


def to_draft(phrases: Tensor, shape: RollShape) -> Draft:
    """Convert phrases ``(batch, channels, bars, steps, pitches)`` to a draft."""
    planes = phrases.unflatten(1, (shape.planes, len(shape.track_set))).flatten(3, 4).unbind(1)
    return Draft(planes[0], planes[1] if len(planes) > 1 else None)


def to_phrases(draft: Draft, shape: RollShape) -> Tensor:
    """Convert a draft to phrases ``(batch, channels, bars, steps, pitches)``.

    In the onset encoding every note that follows silence begins with an onset, whether one was decided or not.
    """
    planes = [draft.cells]
    if draft.onsets is not None:
        silent = 1 - F.pad(draft.cells, (0, 0, 1, 0), value=1.0)[:, :, :-1]
        planes.append(draft.onsets + (1 - draft.onsets) * silent * draft.cells)
    phrases: Tensor = torch.stack(planes, 1).flatten(1, 2).unflatten(2, (shape.bars, shape.steps))
    return phrases


def silent_draft(batch: int, shape: RollShape, like: Tensor) -> Draft:
    """Return a draft without notes, of a tensor's type and device."""
    silence = like.new_zeros(batch, len(shape.track_set), shape.bars * shape.steps, shape.pitches)
    return Draft(silence, silence if shape.planes > 1 else None)


def check_phrases(phrases: Tensor, shape: RollShape) -> None:
    """Check that phrases are a floating-point tensor ``(batch, channels, bars, steps, pitches)`` of zeros and ones.

    Values on a GPU are not checked, since that would make it wait.

    Raises:
        TypeError: not floating-point.
        ValueError: another shape, or values other than 0 and 1.

    """
    expected = shape.channels, shape.bars, shape.steps, shape.pitches
    if not phrases.is_floating_point():
        raise TypeError(f"phrases must be floating-point, not {phrases.dtype}; convert them with .float()")
    if phrases.dim() != 5 or phrases.shape[1:] != expected:
        raise ValueError(f"phrases have shape {tuple(phrases.shape)}, not (batch, {', '.join(map(str, expected))})")
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
