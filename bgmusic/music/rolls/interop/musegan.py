"""Convert rolls to and from MuseGAN's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.rolls.checks import kind_of
from bgmusic.music.rolls.encodings import Cells
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet

_AXES = 5


def to_musegan(rolls: Sequence[Roll]) -> Cells:
    """Convert rolls to MuseGAN's layout, in the pause encoding.

    Args:
        rolls: at least one roll, all of one shape.

    Returns:
        Boolean ``(batch, bars, steps, pitches, tracks)``.

    Raises:
        UserError: there are no rolls, or their shapes differ.

    """
    if not rolls or len({roll.cells.shape for roll in rolls}) > 1:
        raise UserError("MuseGAN's layout takes one roll or more, all of one shape")
    return np.stack([roll.encoded("pause").cells.transpose(1, 2, 3, 0) for roll in rolls])


def from_musegan(phrases: NDArray[Any], track_set: TrackSet, resolution: int) -> list[Roll]:
    """Convert MuseGAN's layout to rolls in the pause encoding.

    Args:
        phrases: numbers or booleans ``(batch, bars, steps, pitches, tracks)``; cells that are not zero are on.
        track_set: the tracks.
        resolution: steps per beat.

    Raises:
        TypeError: ``phrases`` is not an array of numbers or booleans.
        UserError: the array has another shape.

    """
    if not isinstance(phrases, np.ndarray) or phrases.dtype.kind not in "biuf":
        raise TypeError(f"phrases must be an array of numbers or booleans, not {kind_of(phrases)}")
    if phrases.ndim != _AXES:
        raise UserError(f"MuseGAN's layout is (batch, bars, steps, pitches, tracks), not {phrases.shape}")
    return [
        Roll(track_set, resolution, np.ascontiguousarray((phrase != 0).transpose(3, 0, 1, 2))) for phrase in phrases
    ]
