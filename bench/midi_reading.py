"""How many MIDI files a second bgmusic reads on one core, as a ratio to other readers in the same run.

python bench/midi_reading.py
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import muspy
import pretty_midi
import pypianoroll
import symusic

from bgmusic.files import data_dir
from bgmusic.music.midi.read import read_midi
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.tracks import TrackSet


def files_a_second(read: Callable[[str], Any], files: list[str]) -> float:
    """Files a second of CPU time, over all files that the reader takes."""
    taken, start = 0, time.process_time()
    for file in files:
        try:
            read(file)
        except Exception:  # noqa: S112 - other readers raise what they like; a file refused isn't counted
            continue
        taken += 1
    return taken / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=data_dir() / "midi" / "freedoom")
    parser.add_argument("--repeats", type=int, default=3, help="Rounds; the best of each reader counts.")
    options = parser.parse_args()
    files = sorted(str(path) for path in options.folder.glob("*.mid"))
    track_set = TrackSet.load("lpd-5")
    readers: dict[str, Callable[[str], Any]] = {
        "bgmusic, read": read_midi,
        "bgmusic, read and quantise": lambda file: quantise(read_midi(file), track_set, 12),
        "symusic (unchecked)": symusic.Score,
        "pypianoroll": pypianoroll.read,
        "pretty_midi": pretty_midi.PrettyMIDI,
        "muspy": muspy.read_midi,
    }
    best = dict.fromkeys(readers, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(options.repeats):
            for name, read in readers.items():
                # The slow ones are timed on every fourth file.
                chosen = files if name.startswith(("bgmusic", "symusic")) else files[::4]
                best[name] = max(best[name], files_a_second(read, chosen))
    print(f"{len(files)} files; files a second of CPU, and how many times those of pypianoroll and pretty_midi")
    for name, speed in best.items():
        print(f"{name:28} {speed:8.0f} {speed / best['pypianoroll']:8.1f} {speed / best['pretty_midi']:8.1f}")


if __name__ == "__main__":
    main()
