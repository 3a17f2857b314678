"""Round ticks to steps and resolve overlapping notes.

Notes of one pitch in one track never overlap on the grid:

- Notes that begin in the same step become one, the longest (``merged``).
- Where a note begins while another sounds, the earlier note ends there. The later note sounds until both would have
  ended (``cut``). The cells that are on stay the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import Table
from bgmusic.music.rolls.checks import STEP_NOTE, require_integers, require_resolution
from bgmusic.music.rolls.tracks import MAX_PITCH, MAX_TRACKS

MAX_BEATS = 1 << 16  # nine hours at 120 beats per minute

_STEP_BITS = 25  # MAX_BEATS beats at 480 steps fit; a track, a pitch and two steps fit into 63 bits
_KEY_BITS = 13  # of a track and a pitch


def to_steps(ticks: NDArray[np.integer], ticks_per_beat: int, resolution: int) -> NDArray[np.int64]:
    """Round ticks to the nearest steps, halves up, in exact integer arithmetic.

    Args:
        ticks: integers ``(n,)``, from 0 to 2^40.
        ticks_per_beat: ticks per quarter note.
        resolution: steps per beat.

    Returns:
        int64 ``(n,)``.

    Raises:
        TypeError: ``ticks`` or ``resolution`` are not integers.

    """
    require_resolution(resolution)
    return (2 * require_integers("ticks", ticks) * resolution + ticks_per_beat) // (2 * ticks_per_beat)


def step_of(tick: int, ticks_per_beat: int, resolution: int) -> int:
    """Round one tick to the nearest step, as ``to_steps`` does."""
    return (2 * tick * resolution + ticks_per_beat) // (2 * ticks_per_beat)


def without_overlaps(
    track: NDArray[np.integer], pitch: NDArray[np.integer], onset: NDArray[np.integer], stop: NDArray[np.integer]
) -> tuple[Table, int, int]:
    """Resolve overlaps of one pitch in one track, by the rules at the top of this module.

    Args:
        track: integers ``(n,)``, 0 to 63.
        pitch: integers ``(n,)``, 0 to 127.
        onset: integers ``(n,)``, the first step of each note, from 0.
        stop: integers ``(n,)``, the step after its last, below 2^25.

    Returns:
        The notes (dtype ``STEP_NOTE``) sorted by onset, track and pitch; how many were merged; how many were cut.

    Raises:
        TypeError: a column is not a 1-D integer array.
        UserError: the columns differ in length, or a value is out of range.

    """
    track, pitch = require_integers("track", track), require_integers("pitch", pitch)
    onset, stop = require_integers("onset", onset), require_integers("stop", stop)
    _require_ranges(track, pitch, onset, stop)
    step = (1 << _STEP_BITS) - 1
    # Sorting packed numbers is several times as fast as sorting rows: by track and pitch, onset, the longest first.
    packed = np.sort((track << 7 | pitch) << 2 * _STEP_BITS | onset << _STEP_BITS | step - stop)
    group = packed >> _STEP_BITS
    first = np.ones(len(packed), dtype=np.bool_)
    np.not_equal(group[1:], group[:-1], out=first[1:])
    merged = len(packed) - int(np.count_nonzero(first))
    if merged:
        packed = packed.take(np.flatnonzero(first))
    key, onset, stop = packed >> 2 * _STEP_BITS, packed >> _STEP_BITS & step, step - (packed & step)

    # The latest end so far of the same track and pitch: an offset above every step keeps the keys apart.
    offset = key << _STEP_BITS
    until = np.maximum.accumulate(stop + offset) - offset
    until[:-1] = np.where(key[1:] == key[:-1], np.minimum(until[:-1], onset[1:]), until[:-1])
    cut = int(np.count_nonzero(until != stop))

    packed = np.sort(onset << _STEP_BITS + _KEY_BITS | key << _STEP_BITS | until)
    notes = np.empty(len(packed), dtype=STEP_NOTE)
    notes["onset"] = onset = packed >> _STEP_BITS + _KEY_BITS
    key = packed >> _STEP_BITS & (1 << _KEY_BITS) - 1
    notes["track"], notes["pitch"] = key >> 7, key & 127
    notes["duration"] = (packed & step) - onset
    return notes, merged, cut


def _require_ranges(
    track: NDArray[np.int64], pitch: NDArray[np.int64], onset: NDArray[np.int64], stop: NDArray[np.int64]
) -> None:
    """Check what the packing into 63 bits relies on."""
    if not len(track) == len(pitch) == len(onset) == len(stop):
        raise UserError(f"columns of {len(track)}, {len(pitch)}, {len(onset)} and {len(stop)} notes differ in length")
    if not len(track):
        return
    last = (1 << _STEP_BITS) - 1
    for name, column, high in (
        ("track", track, MAX_TRACKS - 1),
        ("pitch", pitch, MAX_PITCH),
        ("onset", onset, last),
        ("end", stop, last),
    ):
        if column.min() < 0 or column.max() > high:
            raise UserError(f"a note's {name} is not within 0 to {high}")
    if (stop <= onset).any():
        raise UserError("a note ends before it begins, or has no length")
