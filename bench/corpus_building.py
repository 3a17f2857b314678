"""Measure how fast a corpus is built, compared with libraries that only read the same files.

    python bench/corpus_building.py [--files 1000] [--sample 33] [--source data/midi/freedoom]

The songs in the source are repeated up to the number of files. Prints files per second of processor time on one core;
the peak memory of builds of a tenth and of all files; the size on disk relative to boolean phrases; and, with
``--jobs2``, the wall time of two processes relative to one.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

BUILD = """
import sys, time
from pathlib import Path
import psutil
from bgmusic.music.corpora.build import Workers, build_corpus
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.rolls.tracks import TrackSet
import bgmusic.music.corpora.corpus, joblib

def peak():  # getrusage would include the memory of the parent process
    status = Path("/proc/self/status")
    if not status.exists():
        return psutil.Process().memory_info().rss // 1024
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))

settings = Settings.create(TrackSet.load("lpd-5"), 12)
before = peak()
started, used = time.perf_counter(), time.process_time()
build_corpus([sys.argv[1]], Path(sys.argv[2]), settings, workers=Workers(int(sys.argv[3])))
print(time.perf_counter() - started, time.process_time() - used, before, peak())
"""


def fill(folder: Path, source: Path, count: int) -> Path:
    """Fill a folder with ``count`` files, repeating the songs of the source."""
    folder.mkdir()
    songs = sorted(source.glob("*.mid"))
    for number in range(count):
        song = songs[number % len(songs)]
        shutil.copy(song, folder / f"{number:05}-{song.name}")
    return folder


def build(folder: Path, out: Path, jobs: int = 1) -> tuple[float, float, float, float]:
    """Build in a fresh process; return wall and processor seconds, and memory (MB) before the build and at its peak."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder), str(out), str(jobs)], check=True, capture_output=True, text=True
    )
    wall, used, before, peak = map(float, done.stdout.split())
    return wall, used, before / 1024, peak / 1024


def reading_rate(read: Callable[[str], object], files: list[Path]) -> float:
    """Return files per second of processor time; unreadable files count as read."""
    started = time.process_time()
    for file in files:
        try:
            read(str(file))
        except Exception as error:
            print(f"  {file.name}: {type(error).__name__}: {error}")
    return len(files) / (time.process_time() - started)


def main() -> None:
    import pretty_midi
    import pypianoroll

    from bgmusic.music.corpora.corpus import open_corpus

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--sample", type=int, default=33)
    parser.add_argument("--source", type=Path, default=Path("data/midi/freedoom"))
    parser.add_argument("--jobs2", action="store_true", help="also measure two processes: needs two idle cores")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    songs = sorted(asked.source.glob("*.mid"))
    sample = songs[:: max(1, len(songs) // asked.sample)]
    rates = {
        "pypianoroll.read": reading_rate(pypianoroll.read, sample),
        "pretty_midi.PrettyMIDI": reading_rate(pretty_midi.PrettyMIDI, sample),
    }
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        few = fill(here / "few", asked.source, asked.files // 10)
        many = fill(here / "many", asked.source, asked.files)
        _, _, _, small_peak = build(few, here / "out-few")
        wall, used, before, peak = build(many, here / "out")
        print(f"building: {asked.files / used:.0f} files/s ({asked.files} files, {used:.1f} s, one core)")
        for library, rate in rates.items():
            print(f"{library}: {rate:.1f} files/s; building is {asked.files / used / rate:.0f} times as fast")
        print(f"peak memory: {small_peak:.0f} MB for {asked.files // 10} files, {peak:.0f} MB for {asked.files}")
        print(f"  (imports alone: {before:.0f} MB)")
        corpus = open_corpus(here / "out")
        on_disk = sum(file.stat().st_size for file in (here / "out").iterdir())
        shape = corpus.roll(0).channels().shape
        boolean = len(corpus) * shape[0] * shape[1] * shape[2] * shape[3]
        stored = len(corpus.bars) * shape[0] * shape[2] * shape[3]
        print(f"on disk: 1/{boolean / on_disk:.0f} of its phrases as booleans, 1/{stored / on_disk:.0f} of its bars")
        if asked.jobs2:
            two, _, _, _ = build(many, here / "out2", 2)
            same = all((here / "out2" / f.name).read_bytes() == f.read_bytes() for f in (here / "out").iterdir())
            print(f"--jobs 2: {wall / two:.2f} times --jobs 1 (wall); same bytes: {same}")
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at its peak")


if __name__ == "__main__":
    main()
