"""Convert rolls to pypianoroll's ``Multitrack``, and a ``Multitrack`` to a song."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import (
    DEFAULT_BPM,
    DEFAULT_VELOCITY,
    NOTE,
    TEMPO,
    TIME_SIGNATURE,
    Song,
    Table,
    metre_of,
    sort_notes,
    table,
)
from bgmusic.music.rolls.roll import Roll

if TYPE_CHECKING:
    import pypianoroll

PITCHES = 128


def to_pypianoroll(roll: Roll, bpm: float = DEFAULT_BPM) -> pypianoroll.Multitrack:
    """Convert a roll to a ``Multitrack`` of standard tracks: uint8 velocities ``(time, 128)``.

    pypianoroll has no onsets. Where a note follows another of its pitch at once, their velocities differ by one, so
    that ``from_pypianoroll`` separates them. (pypianoroll's own MIDI writer still joins them.)

    Args:
        roll: the roll.
        bpm: tempo in beats per minute.

    """
    import pypianoroll

    length = roll.bars * roll.steps
    planes = np.zeros((len(roll.track_set), length, PITCHES), dtype=np.uint8)
    notes = roll.notes()
    for note in notes[np.argsort(notes["onset"], kind="stable")].tolist():
        track, onset, duration, pitch = note
        before = planes[track, onset - 1, pitch] if onset else 0
        planes[track, onset : onset + duration, pitch] = (
            DEFAULT_VELOCITY - 1 if before == DEFAULT_VELOCITY else DEFAULT_VELOCITY
        )
    downbeat = np.zeros(length, dtype=np.bool_)
    downbeat[:: roll.steps] = True
    return pypianoroll.Multitrack(
        resolution=roll.resolution,
        # One-dimensional: with shape (time, 1), pypianoroll's writer fails.
        tempo=np.full(length, bpm),
        downbeat=downbeat,
        tracks=[
            pypianoroll.StandardTrack(name=t.name, program=t.program, is_drum=t.is_drum, pianoroll=plane)
            for t, plane in zip(roll.track_set.tracks, planes, strict=True)
        ],
    )


def from_pypianoroll(multitrack: pypianoroll.Multitrack) -> Song:
    """Convert a ``Multitrack``, such as one of the Lakh Pianoroll Dataset, to a song with one tick per step.

    A note is a run of cells of one velocity. Bars follow the downbeats.

    Raises:
        UserError: it has no notes, or an array's shape is not (time, 128).

    """
    rows = [_runs(np.asarray(track.pianoroll), track, part) for part, track in enumerate(multitrack.tracks)]
    notes = np.concatenate([*rows, np.empty(0, dtype=NOTE)])
    if not len(notes):
        raise UserError("no notes in the Multitrack")
    resolution = int(multitrack.resolution)
    end = max((len(track.pianoroll) for track in multitrack.tracks), default=0)
    times, pickup = _bars(multitrack.downbeat, resolution)
    return Song(
        ticks_per_beat=resolution,
        notes=sort_notes(notes),
        tempos=_tempos(multitrack.tempo),
        time_signatures=times,
        parts=tuple(track.name or "" for track in multitrack.tracks),
        pickup=pickup,
        end=end,
        title=multitrack.name or "",
    )


def _runs(plane: NDArray[Any], track: Any, part: int) -> Table:
    """Return the notes of one track: runs of cells of one velocity in a (time, 128) array."""
    if plane.ndim != 2 or plane.shape[1] != PITCHES:
        raise UserError(f"track {part + 1} has shape {plane.shape}, not (time, {PITCHES})")
    values = np.zeros((PITCHES, len(plane) + 2), dtype=np.int16)
    values[:, 1:-1] = plane.T
    changes = values[:, 1:] != values[:, :-1]
    pitch, onset = np.nonzero(changes & (values[:, 1:] != 0))
    _, stop = np.nonzero(changes & (values[:, :-1] != 0))
    notes = np.empty(len(pitch), dtype=NOTE)
    notes["onset"], notes["duration"], notes["pitch"], notes["part"] = onset, stop - onset, pitch, part
    velocity = values[pitch, onset + 1]
    notes["velocity"] = DEFAULT_VELOCITY if plane.dtype == np.bool_ else np.clip(velocity, 1, 127)
    notes["program"], notes["is_drum"] = track.program, track.is_drum
    return notes


def _tempos(tempo: NDArray[np.float64] | None) -> Table:
    """Return the changes of a tempo that is given for every step, ``(time,)`` or ``(time, 1)``."""
    values = np.empty(0) if tempo is None else np.asarray(tempo, dtype=np.float64).ravel()
    changes = np.flatnonzero(np.diff(values, prepend=0.0))
    return table(TEMPO, [(tick, values[tick]) for tick in changes.tolist() if 0 < values[tick] < np.inf])


def _bars(downbeat: NDArray[np.bool_] | None, resolution: int) -> tuple[Table, int]:
    """Return time signatures from the distances of downbeats, and the length of a pickup before the first."""
    beats = np.empty(0) if downbeat is None else np.asarray(downbeat).ravel()
    downs = np.flatnonzero(beats)
    # A single bar lasts from its downbeat to the end.
    lengths = np.diff(downs) if len(downs) > 1 else np.diff([*downs, len(beats)])
    rows = []
    for bar in np.flatnonzero(np.diff(lengths, prepend=0)).tolist():
        metre = metre_of(int(lengths[bar]), resolution)
        if metre:
            rows.append((int(downs[bar]), *metre))
    first = int(downs[0]) if len(downs) else 0
    if rows and first and first < lengths[0]:
        return table(TIME_SIGNATURE, [(0, *rows[0][1:]), *rows[1:]]), first
    return table(TIME_SIGNATURE, rows), 0
