"""Metre and tempo of the pieces of a corpus, as its meta.json stores them.

The record of a piece has ``bpm``, the tempo at its first note. A piece whose tempo changes also has ``tempos``, rows of
bar (from 0), step within the bar, and beats per minute. In a corpus of any metre, ``metres`` has rows of bar, numerator
and denominator, one for each change. Bars are counted from the beginning of the piece.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from bgmusic.music.corpora.settings import Settings
from bgmusic.music.midi.song import BPM_RANGE, PLAYABLE_BPM
from bgmusic.music.rolls.grid import StepNotes
from bgmusic.music.rolls.metre import require_bar
from bgmusic.music.rolls.tempo import TempoMap, join_tempos

MAX_CHANGES = 4096  # tempo changes that are stored of a piece


def timing_record(piece: StepNotes, settings: Settings) -> dict[str, Any]:
    """Return ``bpm``, ``tempos`` and ``metres`` of a piece, for its record."""
    record: dict[str, Any] = {"bpm": round(piece.bpm, 3)}
    starts = piece.bar_starts
    steps = np.array([step for step, _ in piece.tempos])
    rows = []
    for (step, bpm), bar in zip(piece.tempos, (np.searchsorted(starts, steps, side="right") - 1).tolist(), strict=True):
        if bar < piece.bars:
            rows.append([bar, int(step - starts[bar]), round(bpm, 3)])
    if len(rows) > 1:
        record["tempos"] = rows[:MAX_CHANGES]
    if settings.metre is None:
        changes = np.flatnonzero((np.diff(piece.metres, axis=0, prepend=0) != 0).any(axis=1)).tolist()
        record["metres"] = [[bar, *piece.metres[bar].tolist()] for bar in changes]
    return record


def check_timing(record: dict[str, Any]) -> None:
    """Check what ``timing_record`` made, of an untrusted record.

    Raises:
        KeyError, TypeError, ValueError: a value is missing, of another type, or out of range.

    """
    for row in [[0, 0, record["bpm"]], *record.get("tempos", [])]:
        bar, step, bpm = row
        if type(bar) is not int or type(step) is not int or min(bar, step) < 0:
            raise ValueError(f"a tempo at an impossible place: {str(row)[:80]}")
        if not BPM_RANGE[0] <= float(bpm) <= BPM_RANGE[1]:
            raise ValueError(f"a piece with an impossible tempo: {str(row)[:80]}")
    for row in record.get("metres", []):
        if len(row) != 3 or any(type(value) is not int for value in row) or row[0] < 0 or min(row[1:]) < 1:
            raise ValueError(f"an impossible metre: {str(row)[:80]}")
    for name in ("tempos", "metres"):
        places = [row[: -1 if name == "tempos" else 1] for row in record.get(name, [])]
        if places != sorted(places):
            raise ValueError(f"its {name} are not in order")


def tempos_of(record: dict[str, Any], bar: int, bars: int, steps: int) -> TempoMap:
    """Return the tempo map of some bars of a piece.

    Args:
        record: the piece's record, checked.
        bar: the first bar, from 0.
        bars: number of bars.
        steps: steps of each of them.

    """
    rows = record.get("tempos") or [[0, 0, record["bpm"]]]
    first = max(0, bisect_right(rows, [bar, 0, float("inf")]) - 1)
    inside = [(at - bar, step, bpm) for at, step, bpm in rows[first + 1 :] if at < bar + bars]
    begin: TempoMap = ((0, float(rows[first][2])),)
    rest = tuple((at * steps + step, float(bpm)) for at, step, bpm in inside)
    return join_tempos([begin + rest], [bars * steps]) or begin


def metre_of_bar(record: dict[str, Any], bar: int, settings: Settings) -> tuple[int, int] | None:
    """Return the metre of a piece's bar: the corpus's, or in a corpus of any metre the piece's own.

    Raises:
        UserError: the metre has another length than the corpus's bars.

    """
    if settings.metre is not None or not record.get("metres"):
        return settings.shape.metre
    row = record["metres"][max(0, bisect_right(record["metres"], [bar, 1 << 31]) - 1)]
    return require_bar(tuple(row[1:]), settings.shape.resolution, settings.shape.steps)


def median_bpm(pieces: Sequence[dict[str, Any]]) -> float | None:
    """Return the median tempo of the phrases of a corpus's pieces, within ``PLAYABLE_BPM``; None without phrases.

    A piece counts as often as it has phrases, at the tempo of its beginning. Training pieces alone count, if there are
    any.
    """
    known = [(piece.get("split"), float(piece["bpm"]), int(piece.get("phrases", 0))) for piece in pieces]
    rows = sorted(row for split, *row in known if split == "train") or sorted(row for _, *row in known)
    counts = np.cumsum([count for _, count in rows])
    if not len(counts) or counts[-1] < 1:
        return None
    middle = rows[int(np.searchsorted(counts, (counts[-1] + 1) // 2))][0]
    return min(max(middle, PLAYABLE_BPM[0]), PLAYABLE_BPM[1])
