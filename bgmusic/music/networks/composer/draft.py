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


def nothing_known(noise: Tensor, shape: RollShape) -> tuple[Draft, Tensor]:
    """Return silent drafts, one for each row of the noise, and all their units as free."""
    silence = noise.new_zeros(len(noise), len(shape.track_set), shape.bars * shape.steps, shape.pitches)
    free = torch.ones(*silence.shape[:2], shape.bars * shape.beats, dtype=torch.bool, device=noise.device)
    return Draft(silence, silence if shape.planes > 1 else None), free
