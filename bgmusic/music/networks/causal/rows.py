"""Rows of the common key: those that tracks can play, and those that a plan asks for."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.networks.composer.features import playable_pitches
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


def weighed_on_beats(chords: Tensor, weight: float, shape: RollShape) -> Tensor:
    """Multiply planned chords by a weight at the first step of each beat: elsewhere, notes pass between chords.

    Args:
        chords: see :func:`planned_rows`.
        weight: of a chord on a beat.
        shape: of the phrases.

    """
    on_beat = torch.arange(chords.shape[1], device=chords.device) % shape.unit == 0
    weighed: Tensor = torch.where(on_beat, weight, 1.0)[:, None, None] * chords
    return weighed
