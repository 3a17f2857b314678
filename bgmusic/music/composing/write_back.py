"""Accompaniments, put back into the MIDI file whose track they accompany."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.music import sound
from bgmusic.music.composing.arguments import check_bpm
from bgmusic.music.composing.given import Given
from bgmusic.music.midi.song import NOTE, PERCUSSION, TEMPO, Song, Table, sort_notes, table
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import Track

_MAX_TICKS = 0x7FFF  # per beat, in a MIDI file


@dataclass(frozen=True, eq=False, repr=False)
class Accompaniment:
    """One accompaniment.

    Attributes:
        roll: all tracks in the bars that were composed, the given track on the grid.
        song: the whole piece; the given track's notes, controllers and bends are exactly those of the source.

    """

    roll: Roll
    song: Song

    def __repr__(self) -> str:
        return f"Accompaniment({self.roll!r}; the whole piece has {len(self.song.notes)} notes)"

    def save(self, path: str | Path, **options: Any) -> None:
        """Write the piece in the format of the suffix: .mid, .wav, .flac, .ogg and .mp3 the song, others the roll.

        ``bpm`` replaces the tempos of the file.

        Raises:
            TypeError: an option is unknown.
            UserError: the suffix is unknown, or the piece doesn't fit the format.
            OSError: the file can't be written.

        """
        from bgmusic.music.rolls.midi_files import write_midi

        suffix = Path(path).suffix.lower()
        if suffix in (".mid", ".midi"):
            write_midi(self._in_tempo(**options), path)
        elif suffix.removeprefix(".") in sound.FORMATS:
            rate = options.pop("rate", sound.DEFAULT_RATE)
            song = self._in_tempo(options.pop("bpm", None))
            sound.write_audio(path, sound.render(song, rate, **options), rate)
        else:
            self.roll.save(path, **options)

    def _in_tempo(self, bpm: float | None = None) -> Song:
        if bpm is None:
            return self.song
        check_bpm(bpm)
        return replace(self.song, tempos=table(TEMPO, [(0, bpm)]))

    def _repr_html_(self) -> str:
        return self.roll._repr_html_()


def with_accompaniment(given: Given, rolls: Sequence[Roll]) -> Song:
    """Return the file's song with the other tracks of one roll for each stretch of bars.

    The given track's notes, controllers and bends stay exactly as they are. The other tracks play with the programs of
    the track set, at the given track's median velocity.
    """
    shape = given.shape
    song = scaled(given.song, scale_of(given.song.ticks_per_beat, shape.resolution))
    kept, controls = song.notes, song.controls
    velocity = int(np.median(kept["velocity"]))
    parts: list[str] = []
    channels: list[int] = []
    free = (channel for channel in count(1) if channel not in song.channels and channel != PERCUSSION)
    notes = []
    for number, track in enumerate(shape.track_set.tracks):
        if number == given.track:  # one part or several, which stay separate
            own = kept.copy()
            own["part"] += len(parts)
            controls["part"] += len(parts)
            parts += [track.name] * len(song.parts)
            channels += song.channels
        else:
            steps = np.concatenate(
                [_shifted(roll, number, start) for roll, (start, _) in zip(rolls, given.stretches, strict=True)]
            )
            own = in_ticks(steps, song.ticks_per_beat, shape.resolution, track)
            own["part"], own["velocity"] = len(parts), velocity
            parts.append(track.name)
            channels.append(PERCUSSION if track.is_drum and PERCUSSION not in song.channels else next(free))
        notes.append(own)
    merged = sort_notes(np.concatenate(notes))
    return replace(
        song,
        notes=merged,
        controls=controls,
        parts=tuple(parts),
        channels=tuple(channels) if song.channels else (),
        end=int((merged["onset"] + merged["duration"]).max(initial=song.end)),
        repairs=(),
    )


def scaled(song: Song, factor: int) -> Song:
    """Return a song with ``factor`` times as many ticks per beat, which sounds the same."""
    notes = song.notes.copy()
    notes["onset"] *= factor
    notes["duration"] *= factor
    tables = {}
    for name in ("tempos", "time_signatures", "key_signatures", "controls"):
        rows = getattr(song, name).copy()
        rows["tick"] *= factor
        tables[name] = rows
    beat, pickup, end = song.ticks_per_beat * factor, song.pickup * factor, song.end * factor
    return replace(song, ticks_per_beat=beat, notes=notes, pickup=pickup, end=end, **tables)


def scale_of(beat: int, resolution: int) -> int:
    """Return the factor by which ticks grow so that both grids are exact, or 1 where MIDI has no such division."""
    scale = math.lcm(beat, resolution) // beat
    return scale if beat * scale <= _MAX_TICKS else 1


def _shifted(roll: Roll, track: int, start: int) -> Table:
    """Return a track's notes, moved by ``start`` steps."""
    notes = roll.notes()
    chosen: Table = notes[notes["track"] == track]
    chosen["onset"] += start
    return chosen


def in_ticks(steps: Table, beat: int, resolution: int, track: Track) -> Table:
    """Convert notes in steps (dtype ``STEP_NOTE``) to notes on the nearest ticks (dtype ``NOTE``)."""
    notes = np.zeros(len(steps), dtype=NOTE)
    onset, stop = (ticks_of(step, beat, resolution) for step in _edges(steps))
    notes["onset"], notes["duration"] = onset, np.maximum(stop - onset, 1)
    notes["pitch"] = steps["pitch"]
    notes["program"], notes["is_drum"] = track.program, track.is_drum
    return notes


def ticks_of(steps: NDArray[np.int64], beat: int, resolution: int) -> NDArray[np.int64]:
    """Return the nearest ticks of steps, halves up."""
    ticks: NDArray[np.int64] = (2 * steps * beat + resolution) // (2 * resolution)
    return ticks


def _edges(steps: Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return steps["onset"], steps["onset"] + steps["duration"]
