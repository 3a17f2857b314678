"""``bgmusic compose --given FILE --free UNITS``: read the file, and say what the composer does not hear of it."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bgmusic.errors import UserError
from bgmusic.plurals import count_of

if TYPE_CHECKING:
    from bgmusic.music.composing.kept import KeptPiece, Units
    from bgmusic.music.plans.plan import Plan
    from bgmusic.music.plans.shape import PlanShape
    from bgmusic.music.rolls.shape import RollShape


def read_kept_file(path: Path, shape: RollShape) -> KeptPiece:
    """Read a file whose parts are kept, and say on stderr which bars and notes the composer reads.

    Raises:
        UserError: it does not fit the composer.

    """
    from bgmusic.music.composing.kept import read_kept

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which bars are read is said below
        kept = read_kept(path, shape)
    lines = [f"repaired: {repair}" for repair in kept.song.repairs]
    if kept.first or kept.more:
        first, last = kept.first + 1, kept.first + kept.roll.bars
        lines.append(f"bars {first} to {last} of the file are bars 1 to {kept.roll.bars} here; the others stay")
    notes = count_of(len(kept.song.notes), "note")
    if kept.unheard:
        lines.append(f"the composer does not hear {kept.unheard} of {notes}: not on its tracks, pitches or bars")
    if kept.moved:
        lines.append(f"{kept.moved} of {notes} lie off the grid: they stay so; the composer hears the nearest step")
    for line in lines:
        typer.echo(f"{path}: {line}", err=True)
    return kept


def free_units(text: str, plan: Plan, kept: KeptPiece | None, path: Path | None) -> tuple[Units, Plan]:
    """Read the units to compose, boolean ``(tracks, bars * beats)``, and check them against the plan and the file.

    Says on stderr what is silent behind the end of the file, which of several parts plays the new notes, and where the
    plan says something of bars that are kept.

    Args:
        text: the units.
        plan: what the user decided.
        kept: the file whose parts are kept, or None.
        path: its path.

    Returns:
        The units, and the plan, in which instruments and activity of kept bars are open.

    Raises:
        UserError: the text is not understood, or bars would overlap bars of another length in the file.

    """
    from bgmusic.studio.free_units import parse_free

    shape = plan.shape
    units = parse_free(text, shape)
    whole = units.reshape(len(shape.tracks), shape.bars, shape.beats)
    for track, repeats in enumerate(plan.repeats.tolist()):
        for bar, source in enumerate(repeats):
            known = bool(plan.form_known[track, bar]) and 0 <= source < bar
            if known and (whole[track, source] & ~whole[track, bar]).any():
                held = f"{shape.tracks[track]}: bar {bar + 1} is kept, so it does not repeat bar {source + 1}"
                typer.echo(f"{held}, which is composed: free both", err=True)
    if kept is not None:
        _mention_file(kept, str(path), shape, units)
    return units, _without_kept(plan, whole.max(2))


def _without_kept(plan: Plan, composed: Units) -> Plan:
    """Open the instruments and the activity of bars that are kept, and say which tracks that concerns."""
    said = plan.instruments_known | plan.activity_known
    names = [name for name, row in zip(plan.shape.tracks, said & ~composed, strict=True) if row.any()]
    if not names:
        return plan
    typer.echo(f"{', '.join(names)}: --instruments and --activity change nothing in bars that are kept", err=True)
    return replace(
        plan,
        instruments=plan.instruments & composed,
        instruments_known=plan.instruments_known & composed,
        activity=plan.activity & composed[..., None],
        activity_known=plan.activity_known & composed,
    )


def _mention_file(kept: KeptPiece, path: str, shape: PlanShape, units: Units) -> None:
    bars = kept.roll.bars
    if shape.bars > bars:
        if kept.more:
            raise UserError(f"{shape.bars} bars: {path} has {bars} of the composer's length, and others behind them")
        typer.echo(f"{path} ends after bar {bars}: behind it, what --free leaves out is silent", err=True)
    elif shape.bars < bars:
        typer.echo(f"{path}: bars {shape.bars + 1} to {bars} stay as they are; the plan has {shape.bars}", err=True)
    for track in units.any(1).nonzero()[0].tolist():
        names = kept.parts_of(track)
        if len(names) > 1:
            played = f"{shape.tracks[track]} is played by {', '.join(names)}"
            typer.echo(f"{path}: {played}; the new notes go to {names[0]}", err=True)


def require_other_files(given: Path | None, out: Path, first: int, number: int) -> None:
    """Check that the music is not written over the file that is given.

    Raises:
        UserError: it would be.

    """
    written = {(out / f"piece-{first + place:04d}.mid").resolve() for place in range(number)}
    if given is not None and given.resolve() in written:
        raise UserError(f"--out {out} would overwrite {given}: choose another folder, or --first {first + number}")
