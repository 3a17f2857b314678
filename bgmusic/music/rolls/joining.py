"""Join rolls one after another, and cut a long roll into lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.rolls.roll import Roll


def join_rolls(rolls: Sequence[Roll]) -> Roll:
    """Join rolls of one track set, resolution and encoding into one, each directly after the one before.

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
    return Roll(first.track_set, first.resolution, cells, np.concatenate(onsets, axis=1) if onsets else None)


def join_with_rests(rolls: Sequence[Roll]) -> Roll:
    """Join rolls as :func:`join_rolls` does, with a silent bar between them.

    Raises:
        UserError: as :func:`join_rolls`.

    """
    if not rolls:
        raise UserError("no rolls to join")
    first = rolls[0]
    silence = np.zeros_like(first.cells[:, :1])
    silent = Roll(first.track_set, first.resolution, silence, None if first.onsets is None else silence)
    return join_rolls([part for roll in rolls for part in (roll, silent)][:-1])


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
    return [
        Roll(roll.track_set, roll.resolution, cells, onset)
        for cells, onset in zip(cut(roll.cells), onsets, strict=True)
    ]
