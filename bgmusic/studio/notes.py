"""Notes of a project: steps and pitches, and who put them there. No two of one pitch and track overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import Table
from bgmusic.music.rolls.checks import STEP_NOTE
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape

NOTE = np.dtype([*((name, STEP_NOTE[name]) for name in STEP_NOTE.names or ()), ("by_user", np.bool_)])
"""A note: track, onset and duration in steps, pitch, and whether the user decided on it."""
MAX_NOTES = 200_000
Bits = NDArray[np.bool_]
Row = tuple[int, int, int, int, bool]
Key = tuple[int, int, int]
"""Track, onset and pitch: they name a note."""


def no_notes() -> Table:
    """Return a table of no notes."""
    return np.empty(0, NOTE)


def table(rows: Iterable[Row]) -> Table:
    """Return notes sorted by onset, track and pitch."""
    notes = np.array(list(rows), NOTE)
    return notes[np.lexsort((notes["pitch"], notes["track"], notes["onset"]))]


def from_roll(roll: Roll, by_user: bool = False) -> Table:
    """Return the notes of a roll."""
    found = roll.notes()
    notes = np.zeros(len(found), NOTE)
    for name in found.dtype.names or ():
        notes[name] = found[name]
    notes["by_user"] = by_user
    return notes


def plain(notes: Table) -> Table:
    """Return notes as dtype ``STEP_NOTE``."""
    out = np.empty(len(notes), STEP_NOTE)
    for name in out.dtype.names or ():
        out[name] = notes[name]
    return out


def require_notes(shape: RollShape, bars: int, notes: Table) -> None:
    """Check that notes lie within the tracks, the pitches of their track, and the piece.

    Raises:
        UserError: one does not, or there are too many.

    """
    tracks = shape.track_set.tracks
    if len(notes) > MAX_NOTES:
        raise UserError(f"{len(notes):,} notes are too many, at most {MAX_NOTES:,} are allowed")
    if not len(notes):
        return
    if int(notes["track"].max()) >= len(tracks):
        raise UserError(f"there is no track {int(notes['track'].max())}")
    low, high = (np.array([getattr(track, name) for track in tracks])[notes["track"]] for name in ("low", "high"))
    if (wrong := (notes["pitch"] < low) | (notes["pitch"] > high)).any():
        one = tracks[int(notes["track"][wrong][0])]
        raise UserError(f"{one.name} plays pitches {one.low} to {one.high}, not {int(notes['pitch'][wrong][0])}")
    stop = notes["onset"] + notes["duration"]
    if (wrong := (notes["onset"] < 0) | (notes["duration"] < 1) | (stop > bars * shape.steps)).any():
        raise UserError(
            f"a note from step {int(notes['onset'][wrong][0])} to {int(stop[wrong][0])} is not within the piece"
        )


def placed(shape: RollShape, notes: Table, added: Table) -> Table:
    """Add notes. A note that sounds where a new one of its pitch begins is cut; those that begin within it go."""
    drums = np.array(shape.drums)
    lines: dict[tuple[int, int], dict[int, Row]] = {}  # of each track and pitch, by onset
    for row in notes.tolist():
        lines.setdefault((row[0], row[3]), {})[row[1]] = row
    for track, onset, duration, pitch, by_user in added.tolist():
        line = lines.setdefault((track, pitch), {})
        length = 1 if drums[track] else duration
        for begin, row in list(line.items()):
            if onset <= begin < onset + length:
                del line[begin]
            elif begin < onset < begin + row[2]:
                line[begin] = (track, begin, onset - begin, pitch, row[4])
        line[onset] = (track, onset, length, pitch, by_user)
    return table(row for line in lines.values() for row in line.values())


def chosen(notes: Table, keys: Sequence[Key]) -> NDArray[np.bool_]:
    """Return which notes are named by keys.

    Raises:
        UserError: there is no such note.

    """
    wanted = set(keys)
    mask = np.array([(track, onset, pitch) in wanted for track, onset, _, pitch, _ in notes.tolist()], np.bool_)
    if int(mask.sum()) != len(wanted):
        raise UserError("there is no such note: the page shows an older state")
    return mask


def units_of(shape: RollShape, bars: int, notes: Table) -> NDArray[np.bool_]:
    """Mark the units in which notes sound, boolean ``(tracks, bars * beats)``."""
    units = np.zeros((len(shape.track_set), bars * shape.beats), np.bool_)
    for track, onset, duration, _, _ in notes.tolist():
        units[track, onset // shape.unit : (onset + duration - 1) // shape.unit + 1] = True
    return units


def touches(shape: RollShape, notes: Table, units: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which notes sound in any of the units."""
    before = np.concatenate([np.zeros((len(units), 1), np.int64), units.cumsum(1)], 1)
    first = notes["onset"] // shape.unit
    last = (notes["onset"] + notes["duration"] - 1) // shape.unit + 1
    track = notes["track"].astype(np.int64)
    found: NDArray[np.bool_] = before[track, last] > before[track, first]
    return found
