"""Say on stderr which tracks of composed music rest although they were meant to play."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import typer
from numpy.typing import NDArray

from bgmusic.plurals import count_of

if TYPE_CHECKING:
    from bgmusic.music.composing.kept import Units
    from bgmusic.music.plans.plan import Plans
    from bgmusic.music.rolls.roll import Roll
    from bgmusic.music.rolls.shape import RollShape


def mention_rests(
    shape: RollShape, plans: Plans, rolls: Sequence[Roll], units: Units | None = None, given: int | None = None
) -> None:
    """Say which tracks rest throughout.

    With units, those are tracks that rest in all of their free units. Else they are tracks that play by the plan, or
    may play where nothing else sounds.

    Args:
        shape: shape of the composer's phrases.
        plans: the plan of each roll.
        rolls: the composed pieces.
        units: the units that were composed, with ``--free``.
        given: number of a track that is given, with ``--track``.

    """
    names = [track.name for track in shape.track_set.tracks]
    if units is not None:
        for track in units.any(1).nonzero()[0].tolist():
            cells = [roll.cells[track].reshape(-1, shape.unit, shape.pitches)[units[track]] for roll in rolls]
            resting = np.array([not one.any() for one in cells])
            if resting.any():
                where = f"in all that is free{_among(resting)}"
                typer.echo(f"{names[track]} rests {where}: --instruments lets it play", err=True)
        return
    composed = np.arange(len(names)) != given
    rests = composed & ~np.array([roll.cells.reshape(len(names), -1).any(1) for roll in rolls])
    nothing = (rests == composed).all(1)
    if nothing.any():
        silenced = (plans.instruments_known & ~plans.instruments).all(2)
        free = ", ".join(names[track] for track in (rests & ~silenced)[nothing].any(0).nonzero()[0])
        what = f"nothing {'' if given is None else 'else '}sounds{_among(nothing)}"
        why = f"{free} may play, but rest throughout" if free else "the plan silences all tracks"
        typer.echo(f"{what}: {why}; --instruments makes tracks play", err=True)
    asked = rests & plans.instruments.any(2) & ~nothing[:, None]
    for track in asked.any(0).nonzero()[0].tolist():
        where = _among(asked[:, track])
        typer.echo(f"{names[track]} plays by the plan, but rests throughout{where}: try another --seed", err=True)


def _among(pieces: NDArray[np.bool_]) -> str:
    """Say how many of several pieces are meant."""
    return "" if len(pieces) == 1 else f" in {pieces.sum()} of {count_of(len(pieces), 'piece')}"
