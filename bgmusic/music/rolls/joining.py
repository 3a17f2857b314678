"""Join rolls one after another, and cut rolls into parts and lines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.rolls.checks import require_integer
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tempo import cut_tempos, join_tempos
from bgmusic.plurals import count_of


def join_rolls(rolls: Sequence[Roll]) -> Roll:
    """Join rolls of one track set, resolution and encoding into one, each directly after the one before.

    Each keeps its tempos; one whose tempo is unknown goes on in that of the roll before. The metre is the first's.

    Raises:
        UserError: there are no rolls, or they differ in tracks, resolution, encoding or steps of a bar.

    """
    if not rolls:
        raise UserError("no rolls to join")
    first = rolls[0]
    form = (first.track_set, first.resolution, first.encoding, first.steps)
    if any((roll.track_set, roll.resolution, roll.encoding, roll.steps) != form for roll in rolls):
        raise UserError("rolls to join differ in tracks, resolution, encoding or steps of a bar")
    onsets = [roll.onsets for roll in rolls if roll.onsets is not None]
    cells = np.concatenate([roll.cells for roll in rolls], axis=1)
    tempos = join_tempos([roll.tempos for roll in rolls], [roll.bars * roll.steps for roll in rolls])
    joined = np.concatenate(onsets, axis=1) if onsets else None
    return Roll(first.track_set, first.resolution, cells, joined, first.metre, tempos)


def join_with_rests(rolls: Sequence[Roll]) -> Roll:
    """Join rolls as :func:`join_rolls` does, with a silent bar between them.

    Raises:
        UserError: as :func:`join_rolls`.

    """
    if not rolls:
        raise UserError("no rolls to join")
    first = rolls[0]
    silence = np.zeros_like(first.cells[:, :1])
    silent = Roll(first.track_set, first.resolution, silence, None if first.onsets is None else silence, first.metre)
    return join_rolls([part for roll in rolls for part in (roll, silent)][:-1])


def cut_roll(roll: Roll, first: int, bars: int | None = None) -> Roll:
    """Return some bars of a roll, in its metre and with the tempos of their place.

    Args:
        roll: the roll.
        first: the first bar, from 0.
        bars: number of bars; None for all that follow.

    Raises:
        TypeError: ``first`` or ``bars`` is not an integer.
        UserError: the roll has no such bars.

    """
    require_integer("first", first)
    bars = roll.bars - first if bars is None else bars
    require_integer("bars", bars)
    if first < 0 or bars < 1 or first + bars > roll.bars:
        raise UserError(f"no {count_of(bars, 'bar')} from bar {first}: the roll has bars 0 to {roll.bars - 1}")
    part, start = slice(first, first + bars), first * roll.steps
    return replace(
        roll,
        cells=roll.cells[:, part],
        onsets=None if roll.onsets is None else roll.onsets[:, part],
        tempos=roll.tempos and cut_tempos(roll.tempos, start, start + bars * roll.steps),
    )


def split_lines(roll: Roll, bars: int) -> list[Roll]:
    """Cut a long roll into lines of ``bars`` bars, like systems on a page; the last one ends with silence.

    Raises:
        UserError: ``bars`` is below 1.

    """
    if bars < 1:
        raise UserError(f"a line has at least one bar, not {bars}")

    def cut(plane: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        filled = np.pad(plane, ((0, 0), (0, -plane.shape[1] % bars), (0, 0), (0, 0)))
        return np.split(filled, filled.shape[1] // bars, axis=1)

    onsets = [None] * -(-roll.bars // bars) if roll.onsets is None else cut(roll.onsets)
    length = bars * roll.steps
    return [
        replace(roll, cells=cells, onsets=onset, tempos=roll.tempos and cut_tempos(roll.tempos, start, start + length))
        for start, cells, onset in zip(itertools.count(0, length), cut(roll.cells), onsets, strict=False)
    ]
