"""Compare the speed of MIDI readers on one core, in the same run.

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
    """Return files per second of CPU time, over the files that the reader accepts."""
    taken, start = 0, time.process_time()
    for file in files:
        try:
            read(file)
        except Exception:  # noqa: S112 - readers raise any exception; a refused file is not counted
            continue
        taken += 1
    return taken / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=data_dir() / "midi" / "freedoom")
    parser.add_argument("--repeats", type=int, default=3, help="Number of rounds; the best of each reader counts.")
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
                # Slow readers are timed on every fourth file.
                chosen = files if name.startswith(("bgmusic", "symusic")) else files[::4]
                best[name] = max(best[name], files_a_second(read, chosen))
    print(f"{len(files)} files; files per second of CPU, and the ratios to pypianoroll, pretty_midi and symusic")
    for name, speed in best.items():
        ratios = [speed / best[other] for other in ("pypianoroll", "pretty_midi", "symusic (unchecked)")]
        print(f"{name:28} {speed:8.0f} " + " ".join(f"{ratio:8.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
