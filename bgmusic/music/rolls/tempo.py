"""Tempo maps in steps: the tempos of a roll, a phrase or a piece on the grid.

A tempo map is a tuple of (step, beats per minute), ascending; the first is at step 0. A beat is a quarter note.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from bgmusic.errors import UserError
from bgmusic.music.midi.song import BPM_RANGE, DEFAULT_BPM, TEMPO, Song, Table, table
from bgmusic.music.rolls.steps import MAX_BEATS, step_of

TempoMap: TypeAlias = tuple[tuple[int, float], ...]

DEFAULT_TEMPOS: TempoMap = ((0, DEFAULT_BPM),)


def tempo_map(song: Song, resolution: int) -> TempoMap:
    """Return the tempos of a song in steps; of several in one step, the last.

    Args:
        song: the song. Its tempo is 120 before its first tempo event; tempos out of ``BPM_RANGE`` are ignored.
        resolution: steps per beat.

    """
    beat, (low, high) = song.ticks_per_beat, BPM_RANGE
    rows = [
        (step_of(min(tick, MAX_BEATS * beat), beat, resolution), bpm)
        for tick, bpm in song.tempos.tolist()
        if low <= bpm <= high
    ]
    return _without_repeats([(0, DEFAULT_BPM), *rows])


def bpm_at(tempos: TempoMap, step: int) -> float:
    """Return the tempo at a step, in beats per minute."""
    return tempos[max(0, bisect_right(tempos, step, key=lambda row: row[0]) - 1)][1]


def cut_tempos(tempos: TempoMap, start: int, stop: int) -> TempoMap:
    """Return the tempo map of the steps from ``start`` to ``stop``, counted from ``start``."""
    return ((0, bpm_at(tempos, start)), *((step - start, bpm) for step, bpm in tempos if start < step < stop))


def join_tempos(maps: Sequence[TempoMap | None], lengths: Sequence[int]) -> TempoMap | None:
    """Return the tempo map of parts that follow one another; None if no part has one.

    Args:
        maps: the map of each part; None to keep the tempo of the part before, or of the part after at the beginning.
        lengths: steps of each part.

    """
    first = next((one[0][1] for one in maps if one is not None), None)
    if first is None:
        return None
    rows, start = [(0, first)], 0
    for one, length in zip(maps, lengths, strict=True):
        rows += [(start + step, bpm) for step, bpm in one or ()]
        start += length
    return _without_repeats(rows)


def to_ticks(tempos: TempoMap) -> Table:
    """Return a tempo map as a table of dtype ``TEMPO``, with one tick per step."""
    return table(TEMPO, tempos)


def require_tempos(tempos: Any) -> TempoMap:
    """Return a tempo map with plain numbers, checked.

    Raises:
        TypeError: ``tempos`` is not a sequence of (step, beats per minute).
        UserError: the steps do not ascend from 0, or a tempo is out of range.

    """
    try:
        rows = tuple((int(step), float(bpm)) for step, bpm in tempos)
        whole = all(step == number for (step, _), (number, _) in zip(rows, tempos, strict=True))
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise TypeError(f"tempos must be pairs of a step and beats per minute, not {str(tempos)[:80]}")
    steps = [step for step, _ in rows]
    if not rows or steps[0] or any(after <= step for step, after in pairwise(steps)):
        raise UserError(f"tempos must begin at step 0 and ascend, not {str(steps)[:80]}")
    low, high = BPM_RANGE
    for step, bpm in rows:
        if not low <= bpm <= high:
            raise UserError(f"a tempo of {bpm:g} beats per minute at step {step} is not within {low:g} to {high:g}")
    return rows


def _without_repeats(rows: Sequence[tuple[int, float]]) -> TempoMap:
    """Keep the last tempo of each step, and drop those that change nothing."""
    last = dict(sorted(rows, key=lambda row: row[0]))
    kept: list[tuple[int, float]] = []
    for step, bpm in last.items():
        if not kept or kept[-1][1] != bpm:
            kept.append((step, bpm))
    return tuple(kept)
