"""pypianoroll's ``Multitrack``, to and from."""

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
    """A roll as a pypianoroll ``Multitrack`` of standard tracks, (time, 128) uint8 velocities.

    pypianoroll knows no onsets: where a note follows another of its pitch at once, their velocities differ
    by one, and ``from_pypianoroll`` tells them apart by that. (pypianoroll's own MIDI writer joins them
    even so.)
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
        # One-dimensional: with shape (time, 1) its writer fails.
        tempo=np.full(length, bpm),
        downbeat=downbeat,
        tracks=[
            pypianoroll.StandardTrack(name=t.name, program=t.program, is_drum=t.is_drum, pianoroll=plane)
            for t, plane in zip(roll.track_set.tracks, planes, strict=True)
        ],
    )


def from_pypianoroll(multitrack: pypianoroll.Multitrack) -> Song:
    """A pypianoroll ``Multitrack`` (such as one of the Lakh Pianoroll Dataset) as a song with a tick a step.

    A note is a run of cells of one velocity. Bars come from the downbeats.

    Raises:
        UserError: it has no notes, or arrays of another shape than (time, 128).

    """
    rows = [_runs(np.asarray(track.pianoroll), track, part) for part, track in enumerate(multitrack.tracks)]
    notes = np.concatenate([*rows, np.empty(0, dtype=NOTE)])
    if not len(notes):
        raise UserError("no notes")
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
    """The runs of cells of one velocity in a (time, 128) array."""
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
    """The changes of a tempo given for every step, of shape (time,) or (time, 1)."""
    values = np.empty(0) if tempo is None else np.asarray(tempo, dtype=np.float64).ravel()
    changes = np.flatnonzero(np.diff(values, prepend=0.0))
    return table(TEMPO, [(tick, values[tick]) for tick in changes.tolist() if 0 < values[tick] < np.inf])


def _bars(downbeat: NDArray[np.bool_] | None, resolution: int) -> tuple[Table, int]:
    """Time signatures from the distances of downbeats, and the length of a pickup before the first."""
    beats = np.empty(0) if downbeat is None else np.asarray(downbeat).ravel()
    downs = np.flatnonzero(beats)
    # Of a single bar the end alone tells its length.
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
