"""Rows of the common key: those that tracks can play, and those that a plan asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.causal.steps import line_of
from bgmusic.music.networks.composer.features import playable_pitches, steps_of
from bgmusic.music.networks.keys import KEYS, MARGIN, to_common
from bgmusic.music.networks.plan_bits import PlanBits
from bgmusic.music.rolls.shape import RollShape


def playable_rows(keys: Tensor, shape: RollShape) -> Tensor:
    """Return the rows within each track's range: boolean ``(batch, tracks, rows)``.

    Args:
        keys: of the phrases, int64 ``(batch,)``.
        shape: of the phrases.

    """
    pitches = playable_pitches(shape, keys.device)[None, :, None].expand(len(keys), -1, 1, -1)
    return to_common(pitches, keys, shape)[:, :, 0]


def planned_rows(plan: PlanBits | None, keys: Tensor, shape: RollShape) -> Tensor:
    """Return the planned chords and their basses: float32 ``(batch, steps, 2, rows)``, zeros where unknown.

    Args:
        plan: of the phrases; None: nothing is planned.
        keys: of the phrases, int64 ``(batch,)``.
        shape: of the phrases.

    """
    rows = torch.arange(-MARGIN, shape.pitches + MARGIN, device=keys.device)
    if plan is None:
        return rows.new_zeros(len(keys), shape.bars * shape.steps, 2, len(rows), dtype=torch.float32)
    harmony = plan.in_common(keys)[..., : 2 * KEYS].unflatten(-1, (2, KEYS))
    chords: Tensor = harmony[..., (rows + shape.track_set.low) % KEYS]
    return chords.repeat_interleave(shape.unit, 1)


PLANES = 5
"""Planned rows that weigh: the chord and its bass, the next beat's chord and bass, and rows a step from that chord."""
LEADS = 25
"""Places of a line under the chords of a beat and the next: unknown, bass, in the chord, a semitone off, farther."""
_NEAR = (-2, -1, 1, 2)  # semitones


@dataclass(frozen=True)
class Guide:
    """What is known in advance, in the common key, as a composer's decisions see it.

    Attributes:
        rows: planned chords, float ``(batch, steps, PLANES, rows)``, zeros where unknown.
        leads: number of each row's place under them, of ``LEADS``, int64 ``(batch, steps, rows + 1)``; the first is
            that of rests.
        lines: given lines at the first step of the next beat, int64 ``(batch, steps, tracks)``; -1 for none.

    """

    rows: Tensor
    leads: Tensor
    lines: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> Guide:
        """Apply a function to all."""
        return Guide(*(change(values) for values in vars(self).values()))


def given_lines(cells: Tensor, free: Tensor, shape: RollShape) -> Tensor:
    """Return the highest notes of given tracks: int64 ``(batch, steps, tracks)``; -1 for a rest and where not given.

    Args:
        cells: notes, boolean ``(batch, steps, tracks, rows)``; those of free units are not looked at.
        free: units that are not given, boolean ``(batch, tracks, units)``.
        shape: of the phrases.

    """
    given = ~steps_of(free, shape).transpose(1, 2)
    return torch.where(given, line_of(cells), -1)


def at_next_beat(values: Tensor, shape: RollShape, last: int = 0) -> Tensor:
    """Return for each step the values ``(batch, steps, ...)`` at the first of the next beat; ``last`` after the end."""
    steps = values.shape[1]
    following = (torch.arange(steps, device=values.device) // shape.unit + 1) * shape.unit
    ahead = values[:, following.clamp(max=steps - 1)]
    return ahead.masked_fill((following >= steps).view(-1, *(1,) * (values.dim() - 2)), last)


def guide(chords: Tensor, lines: Tensor, weight: float, shape: RollShape) -> Guide:
    """Arrange what is known.

    Args:
        chords: see :func:`planned_rows`.
        lines: see :func:`given_lines`.
        weight: of a chord at the first step of each beat: elsewhere, notes pass between chords.
        shape: of the phrases.

    """
    places = torch.arange(chords.shape[1], device=chords.device)
    ahead = at_next_beat(chords, shape)
    chord = ahead[:, :, 0]
    near = torch.stack([_shifted(chord, by) for by in _NEAR]).amax(0) * (1 - chord)
    weighed = torch.where(places % shape.unit == 0, weight, 1.0)[:, None, None] * chords
    leads = 5 * _places(chords) + _places(ahead)
    rows = torch.cat([weighed, ahead, near[:, :, None]], 2)
    return Guide(rows, F.pad(leads, (1, 0)), at_next_beat(lines, shape, -1))


def _shifted(rows: Tensor, by: int) -> Tensor:
    """Move rows up, without those that leave."""
    return F.pad(rows, (by, -by))


def _places(chords: Tensor) -> Tensor:
    """Return the place of each row under chords: int64 ``(batch, steps, rows)``."""
    chord, bass = (chords > 0).unbind(2)
    near = torch.maximum(_shifted(chords[:, :, 0], 1), _shifted(chords[:, :, 0], -1)) > 0
    place = torch.where(bass, 1, torch.where(chord, 2, torch.where(near, 3, 4)))
    return torch.where(chord.any(-1, keepdim=True), place, 0)
