"""Make songs of random melodies, and read them back by another library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pretty_midi

from bgmusic.music.midi.song import NOTE, TEMPO, TIME_SIGNATURE, Song, sort_notes, table

BEAT = 480  # ticks
Rows = list[tuple[int, int, int, int, int, bool, int]]


def melody(
    rng: np.random.Generator, beats: int, low: int, high: int, part: int = 0, program: int = 52, drum: bool = False
) -> Rows:
    """Draw notes on sixteenths with rests and repetitions: onset, duration, pitch, velocity, program, drum, part."""
    rows: Rows = []
    tick = 0
    while tick < beats * BEAT:
        length = int(rng.integers(1, 9)) * BEAT // 4
        if rng.random() < 0.85:
            pitch = rows[-1][2] if rows and rng.random() < 0.3 else int(rng.integers(low, high + 1))
            duration = min(length, beats * BEAT - tick)
            rows.append((tick, duration, pitch, int(rng.integers(1, 128)), program, drum, part))
        tick += length
    return rows


def song_of(rows: Rows, parts: tuple[str, ...], metres: list[tuple[int, int, int]], bpm: float = 90.0) -> Song:
    """Make a song whose tempo doubles after eight beats; ``metres`` are (tick, numerator, denominator)."""
    return Song(
        ticks_per_beat=BEAT,
        notes=sort_notes(np.array(rows, dtype=NOTE)),
        tempos=table(TEMPO, [(0, bpm), (8 * BEAT, 2 * bpm)]),
        time_signatures=table(TIME_SIGNATURE, metres),
        parts=parts,
    )


def notes_of(path: Path, name: str) -> set[tuple[int, int, int, int]]:
    """Read the notes of a track by pretty_midi: onset and end in ticks of 480 per beat, pitch, velocity."""
    song = pretty_midi.PrettyMIDI(str(path))
    scale = song.resolution / BEAT
    return {
        (
            round(song.time_to_tick(note.start) / scale),
            round(song.time_to_tick(note.end) / scale),
            note.pitch,
            note.velocity,
        )
        for instrument in song.instruments
        if instrument.name == name
        for note in instrument.notes
    }
