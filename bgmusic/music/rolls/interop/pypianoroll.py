"""Convert rolls and songs to and from pypianoroll's ``Multitrack``. ``docs/guide/formats.md`` lists what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import (
    COMMON_TIME,
    DEFAULT_VELOCITY,
    NOTE,
    TEMPO,
    TIME_SIGNATURE,
    Song,
    Table,
    metre_of,
    require_valid_notes,
    sort_notes,
    table,
)
from bgmusic.music.rolls.checks import require_resolution
from bgmusic.music.rolls.interop.instruments import instruments_of
from bgmusic.music.rolls.metre import bars_of
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.steps import MAX_BEATS, to_steps
from bgmusic.music.rolls.tempo import tempo_map

if TYPE_CHECKING:
    import pypianoroll

PITCHES = 128
_RESOLUTION = 24  # steps per beat of the Lakh Pianoroll Dataset
_MAX_CELLS = 1 << 31

_Track = tuple[str, int, bool, Table]  # name, program, is_drum, notes in steps (dtype NOTE)


def to_pypianoroll(roll: Roll, bpm: float | None = None) -> pypianoroll.Multitrack:
    """Convert a roll to a ``Multitrack`` of standard tracks: uint8 velocities ``(time, 128)``.

    pypianoroll has no onsets. Where a note follows another of its pitch at once, their velocities differ by one, so
    that ``from_pypianoroll`` separates them. (pypianoroll's own MIDI writer still joins them.)

    Args:
        roll: the roll.
        bpm: tempo in beats per minute; None for the roll's own tempos, or 120.

    """
    song = roll.to_song() if bpm is None else roll.to_song(bpm)
    tracks = [
        (track.name, track.program, track.is_drum, song.notes[song.notes["part"] == part])
        for part, track in enumerate(roll.track_set.tracks)
    ]
    return _multitrack(song, tracks, roll.resolution, np.arange(roll.bars + 1) * roll.steps)


def song_to_pypianoroll(song: Song, resolution: int = _RESOLUTION) -> pypianoroll.Multitrack:
    """Convert a song to a ``Multitrack`` with one standard track for each part and program.

    Onsets and ends move to the nearest step; each note is at least one step long. Of overlapping notes of one pitch,
    the first ends where the next begins.

    Args:
        song: the song.
        resolution: steps per beat (quarter note).

    Raises:
        UserError: ``resolution`` or a note's value is out of range, or the song is too long for arrays.

    """
    require_resolution(resolution)
    require_valid_notes(song)
    beat = song.ticks_per_beat
    tracks = []
    for part in instruments_of(song):
        notes = part.notes.copy()
        stop = np.minimum(notes["onset"] + notes["duration"], MAX_BEATS * beat)
        notes["onset"] = to_steps(np.minimum(notes["onset"], MAX_BEATS * beat - beat), beat, resolution)
        notes["duration"] = np.maximum(to_steps(stop, beat, resolution) - notes["onset"], 1)
        tracks.append((part.name, part.program, part.is_drum, notes))
    end = max((int((notes["onset"] + notes["duration"]).max()) for *_, notes in tracks), default=0)
    bar_starts = bars_of(song, resolution, end, None, COMMON_TIME)[0]
    return _multitrack(song, tracks, resolution, bar_starts)


def _multitrack(song: Song, tracks: Sequence[_Track], resolution: int, bars: NDArray[np.int64]) -> Any:
    """Return a ``Multitrack`` of notes in steps.

    Args:
        song: its title, tempos and pickup are used.
        tracks: name, program, is_drum and notes of each track.
        resolution: steps per beat.
        bars: the first step of each bar, and the end.

    """
    import pypianoroll

    length = int(bars[-1])
    if len(tracks) * length * PITCHES > _MAX_CELLS:
        raise UserError(f"{len(tracks)} tracks of {length} steps are too many for pypianoroll's arrays")
    tempo = np.empty(length)
    for step, bpm in tempo_map(song, resolution):
        tempo[step:] = bpm
    downbeat = np.zeros(length, dtype=np.bool_)
    downbeat[bars[1 if song.pickup else 0 : -1]] = True
    return pypianoroll.Multitrack(
        name=song.title or None,
        resolution=resolution,
        tempo=tempo,  # one-dimensional: with shape (time, 1), pypianoroll's writer fails
        downbeat=downbeat,
        tracks=[
            pypianoroll.StandardTrack(name=name, program=program, is_drum=is_drum, pianoroll=_plane(notes, length))
            for name, program, is_drum, notes in tracks
        ],
    )


def _plane(notes: Table, length: int) -> NDArray[np.uint8]:
    """Return the velocities of notes in steps, uint8 ``(length, 128)``; see ``to_pypianoroll`` for repeated notes."""
    plane = np.zeros((length, PITCHES), dtype=np.uint8)
    ordered = notes[np.argsort(notes["onset"], kind="stable")]
    for onset, duration, pitch, velocity in ordered[["onset", "duration", "pitch", "velocity"]].tolist():
        cell = max(velocity, 1)
        if onset and plane[onset - 1, pitch] == cell:
            cell += 1 if cell == 1 else -1
        plane[onset : onset + duration, pitch] = cell
    return plane


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
