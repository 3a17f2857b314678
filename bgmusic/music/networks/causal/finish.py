"""Turn composed steps into phrases: in their keys, with bars that are equal where a plan repeats them."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.networks.composer.draft import Draft, to_phrases
from bgmusic.music.networks.composer.features import steps_of
from bgmusic.music.networks.keys import from_common
from bgmusic.music.networks.plan_bits import PlanBits
from bgmusic.music.rolls.shape import RollShape


def finished(
    both: tuple[Tensor, Tensor], keys: Tensor, plan: PlanBits | None, dtype: torch.dtype, shape: RollShape
) -> Tensor:
    """Convert steps in C to phrases in their keys: ``(batch, channels, bars, steps, pitches)``.

    Args:
        both: cells and onsets, boolean ``(batch, steps, tracks, rows)``.
        keys: of the phrases, int64 ``(batch,)``.
        plan: whose repeated bars are made equal; None: nothing is planned.
        dtype: of the result.
        shape: of the phrases.

    """
    made = [from_common(plane.transpose(1, 2).to(dtype), keys, shape) for plane in both]
    onsets = made[1] if shape.planes > 1 else None
    phrases = to_phrases(Draft(made[0], onsets), shape)
    return phrases if plan is None or onsets is None else _equal_beginnings(phrases, plan.repeats, shape)


def silenced(plane: Tensor, units: Tensor, shape: RollShape) -> Tensor:
    """Return a plane ``(batch, tracks, steps, pitches)`` without the notes of some units."""
    return plane * ~steps_of(units, shape).unsqueeze(3)


def _equal_beginnings(phrases: Tensor, repeats: Tensor, shape: RollShape) -> Tensor:
    """Let notes that begin with a bar in one of its repetitions begin in all, so that the bars are equal."""
    tracks = len(shape.track_set)
    first = phrases[:, tracks:, :, 0]  # onsets of the first step, (batch, tracks, bars, pitches)
    group = (repeats.unsqueeze(3) == repeats.unsqueeze(2)).to(first.dtype)
    begins = torch.einsum("ntab,ntbp->ntap", group, first).clamp(max=1) * phrases[:, :tracks, :, 0]
    result = phrases.clone()
    result[:, tracks:, :, 0] = begins
    return result
