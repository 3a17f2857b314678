"""Make small songs for the tests of corpora, by symusic, which is independent of bgmusic's MIDI reader."""

from __future__ import annotations

import random
from pathlib import Path

import symusic

from bgmusic.music.corpora.settings import Settings
from bgmusic.music.rolls.tracks import TrackSet

LPD5 = TrackSet.load("lpd-5")
SETTINGS = Settings.create(LPD5, 12)
PROGRAMS = {"Drums": (0, True), "Piano": (0, False), "Guitar": (25, False), "Bass": (33, False), "Strings": (48, False)}


def song(
    seed: int,
    bars: int = 8,
    transpose: int = 0,
    parts: tuple[str, ...] = tuple(PROGRAMS),
    metre: tuple[int, int] = (4, 4),
) -> symusic.Score:
    """Make a song at 480 ticks per beat, with onsets on a grid of 12 steps per beat and different parts."""
    rng = random.Random(seed)
    score = symusic.Score(480)
    score.time_signatures.append(symusic.TimeSignature(0, *metre))
    score.tempos.append(symusic.Tempo(0, 90.0))
    steps = bars * 12 * 4 * metre[0] // metre[1]
    for name in parts:
        program, is_drum = PROGRAMS[name]
        track = symusic.Track(name, program, is_drum)
        step = 0
        while step < steps:
            length = min(rng.choice((3, 4, 6, 12)), steps - step)
            pitch = rng.choice((36, 38, 42)) if is_drum else rng.randint(50, 70) + transpose
            track.notes.append(symusic.Note(step * 40, length * 40, pitch, 90))
            step += length
        score.tracks.append(track)
    return score


def write_songs(folder: Path, seeds: range, **options: object) -> Path:
    """Write one song for each seed to a folder; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        song(seed, **options).dump_midi(str(folder / f"song{seed:03}.mid"))  # type: ignore[arg-type]
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
