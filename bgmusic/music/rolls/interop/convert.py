"""Other music, at the border: pypianoroll, muspy, pretty_midi, MuseGAN's arrays, plain note lists.

Songs go to and from libraries of notes, rolls to and from libraries of arrays. Where a library errs, the
way around it is said at the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import Table
from bgmusic.music.rolls.checks import MAX_RESOLUTION, STEP_NOTE
from bgmusic.music.rolls.encodings import Cells
from bgmusic.music.rolls.interop.muspy import from_muspy, to_muspy
from bgmusic.music.rolls.interop.pretty_midi import from_pretty_midi, to_pretty_midi
from bgmusic.music.rolls.interop.pypianoroll import from_pypianoroll, to_pypianoroll
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.steps import MAX_BEATS, without_overlaps
from bgmusic.music.rolls.tracks import MAX_TRACKS, TrackSet

__all__ = [
    "from_musegan",
    "from_muspy",
    "from_pretty_midi",
    "from_pypianoroll",
    "notes_from_rows",
    "to_musegan",
    "to_muspy",
    "to_pretty_midi",
    "to_pypianoroll",
]

_MUSEGAN_AXES = 5
_ROW = 4  # track, onset, duration, pitch


def to_musegan(rolls: Sequence[Roll]) -> Cells:
    """Rolls in MuseGAN's layout, boolean (batch, bar, step, pitch, track), in the papers' encoding.

    Raises:
        UserError: there are none, or their shapes differ.

    """
    if not rolls or len({roll.cells.shape for roll in rolls}) > 1:
        raise UserError("MuseGAN's layout takes one roll or more of one shape")
    return np.stack([roll.encoded("pause").cells.transpose(1, 2, 3, 0) for roll in rolls])


def from_musegan(phrases: NDArray[Any], track_set: TrackSet, resolution: int) -> list[Roll]:
    """Rolls (in the papers' encoding) of MuseGAN's layout, (batch, bar, step, pitch, track); nonzero is on.

    Raises:
        UserError: the array has another shape.

    """
    if phrases.ndim != _MUSEGAN_AXES:
        raise UserError(f"MuseGAN's layout is (batch, bar, step, pitch, track), not {phrases.shape}")
    return [
        Roll(track_set, resolution, np.ascontiguousarray((phrase != 0).transpose(3, 0, 1, 2))) for phrase in phrases
    ]


def notes_from_rows(rows: object) -> Table:
    """A note list, rows of (track, onset, duration, pitch) in steps, as a table of dtype ``STEP_NOTE``.

    Overlaps of one pitch in one track are resolved as in ``bgmusic.music.rolls.grid``.

    Raises:
        UserError: the rows have another form, or a value is out of its range.

    """
    try:
        values = np.array(rows, dtype=np.int64)
    except (ValueError, TypeError, OverflowError):
        raise UserError("a note list has rows of 4 whole numbers") from None
    if not values.size:
        return np.empty(0, dtype=STEP_NOTE)
    if values.ndim != 2 or values.shape[1] != _ROW:
        raise UserError(f"a note list has rows of 4 numbers, not shape {values.shape}")
    track, onset, duration, pitch = values.T
    last = MAX_BEATS * MAX_RESOLUTION
    ranges = ((track, 0, MAX_TRACKS - 1), (onset, 0, last), (duration, 1, last), (pitch, 0, 127))
    for name, (column, low, high) in zip(("track", "onset", "duration", "pitch"), ranges, strict=True):
        if column.min() < low or column.max() > high:
            raise UserError(f"a note's {name} is not within {low} to {high}")
    return without_overlaps(track, pitch, onset, np.minimum(onset + duration, last))[0]
