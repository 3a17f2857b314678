"""Convert lists of notes to a table."""

from __future__ import annotations

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.midi.song import Table
from bgmusic.music.rolls.checks import MAX_RESOLUTION, STEP_NOTE
from bgmusic.music.rolls.steps import MAX_BEATS, without_overlaps
from bgmusic.music.rolls.tracks import MAX_PITCH, MAX_TRACKS

_ROW = ("track", "onset", "duration", "pitch")


def notes_from_rows(rows: object) -> Table:
    """Convert rows of (track, onset, duration, pitch) to a table of dtype ``STEP_NOTE``.

    Overlaps of one pitch in one track are resolved by ``steps.without_overlaps``.

    Args:
        rows: a sequence of rows or an integer array ``(notes, 4)``; onsets and durations in steps.

    Returns:
        The notes, sorted by onset, track and pitch.

    Raises:
        UserError: the rows have another form, hold other than whole numbers, or a value is out of range.

    """
    try:
        given = np.asarray(rows)
        values = given.astype(np.int64, casting="unsafe" if not given.size else "same_kind")
    except (ValueError, TypeError, OverflowError):
        raise UserError("a note list has rows of 4 whole numbers: track, onset, duration, pitch") from None
    if not values.size:
        return np.empty(0, dtype=STEP_NOTE)
    if values.ndim != 2 or values.shape[1] != len(_ROW):
        raise UserError(f"a note list has rows of 4 whole numbers, not shape {values.shape}")
    track, onset, duration, pitch = values.T
    last = MAX_BEATS * MAX_RESOLUTION
    ranges = ((track, 0, MAX_TRACKS - 1), (onset, 0, last), (duration, 1, last), (pitch, 0, MAX_PITCH))
    for name, (column, low, high) in zip(_ROW, ranges, strict=True):
        if column.min() < low or column.max() > high:
            raise UserError(f"a note's {name} is not within {low} to {high}")
    return without_overlaps(track, pitch, onset, np.minimum(onset + duration, last))[0]
