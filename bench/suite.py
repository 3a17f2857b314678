"""Measure what users wait for, each beside the least that this machine needs for it; write docs/performance.md.

    make bench
    python bench/suite.py [--rounds 3] [--only NAME ...] [--out docs/performance.md]

CPU-seconds of one thread, medians of rounds in which the rows take turns, so that a busy moment meets all of them. Rows
of more than 10 s are measured once; larger numbers of phrases are left out where they would take over 40 s.

Floors: the floating-point operations of products, attention and convolutions (torch's flop counter) over the rate of a
large product in the same precision; for data, the bytes that are read or written over the rate of a copy; for start-up,
an empty Python. Of a composer, the operations are those of one phrase as it is composed; the floor of several is that
times their number.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.digits.train import make_game
from bgmusic.files import data_dir, write_text
from bgmusic.music.composing.comparison import compare
from bgmusic.music.composing.generate import phrases
from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.music.training.pianoroll import fit, make_training
from bgmusic.training.lookup import find_run
from bgmusic.training.memory import keep_freed_memory
from bgmusic.training.protocols import SampleNetwork
from bgmusic.yaml import load_preset, validate

SIZES = (1, 16, 64)  # phrases
ONCE, MOST = 10.0, 40.0  # seconds
FILES = 20  # MIDI files of the corpus that is built


@dataclass
class Row:
    """One measurement: ``run`` returns the CPU-seconds of one time."""

    name: str
    unit: str
    run: Callable[[], float]
    floor: float
    seconds: list[float] = field(default_factory=list)

    def values(self) -> dict[str, float | str | int]:
        median = statistics.median(self.seconds)
        ratio = median / self.floor
        return {"name": self.name, "unit": self.unit, "seconds": median, "floor": self.floor, "ratio": ratio,
                "rounds": len(self.seconds)}  # fmt: skip


def timed(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def in_child(command: list[str]) -> float:
    """Return the CPU-seconds of a command of Python."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rates() -> dict[str, float]:
    """Return operations a second of products in float32 and bfloat16, and bytes a second of a copy; best of several."""
    size, found = 1024, {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        x, y = (torch.randn(size, size).to(dtype) for _ in range(2))
        found[name] = 2 * size**3 / min(timed(partial(torch.matmul, x, y)) for _ in range(10))
    source = torch.zeros(1 << 27, dtype=torch.uint8)
    target = torch.empty_like(source)
    found["copy"] = 2 * len(source) / min(timed(lambda: target.copy_(source)) for _ in range(5))
    return found


def operations(action: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        action()
    return counter.get_total_flops()


def phrase_seconds(generator: SampleNetwork, shape: RollShape, number: int) -> float:
    return timed(lambda: phrases(generator, shape, number, 0)) / number


def generation(machine: dict[str, float]) -> Iterator[Row]:
    for name in sorted(path.name for path in (data_dir() / "generators").iterdir()):
        _, shape, generator = load_generator(find_run(Path(name)))
        make = partial(phrase_seconds, generator, shape)
        make(1)  # the first one prepares tables
        alone, floor = make(1), operations(partial(make, 1)) / machine["float32"]
        for number in SIZES:
            if number * alone <= MOST or number == 1:
                label = f"`{name}`, 1 phrase" if number == 1 else f"`{name}`, {number} phrases at once"
                yield Row(label, "phrase", partial(make, number), floor)


def updates(machine: dict[str, float]) -> Iterator[Row]:
    bach = open_corpus("bach")
    causal, composer = (
        validate(PianorollConfig, load_preset("pianoroll", name), name) for name in ("default", "composer")
    )
    musegan = validate(PianorollConfig, {"network": {"kind": "musegan"}}, "musegan")
    trainings = {
        "digits, `default`": make_game(validate(DigitsConfig, load_preset("mnist", "default"), "default"), 0),
        "`default` on `bach`": make_training(fit(causal, bach), bach, 0),
        "`composer` on `bach`": make_training(fit(composer, bach), bach, 0),
        "`musegan` on `bach`": make_training(fit(musegan, bach), bach, 0),
    }
    for name, training in trainings.items():
        training.advance()
        floor = operations(training.advance) / machine.get(training.config.precision, machine["float32"])
        yield Row(f"training: {name}", "update", partial(timed, training.advance), floor)


def data(machine: dict[str, float]) -> Iterator[Row]:
    corpus = open_corpus("freedoom")
    loader, random = corpus.loader("train", encoding="onset", random_offset=True), torch.Generator().manual_seed(0)
    size = loader.batch(64, random).nbytes
    load = lambda: timed(lambda: [loader.batch(64, random) for _ in range(10)]) / 10  # noqa: E731
    yield Row("loading 64 phrases of `freedoom`", "batch", load, size / machine["copy"])
    songs = sorted((data_dir() / "midi" / "freedoom").glob("*.mid"))[:FILES]
    settings = Settings.create(TrackSet.load("lpd-5"), 12)

    def build() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return timed(lambda: build_corpus(songs, Path(folder) / "corpus", settings)) / len(songs)

    read = sum(song.stat().st_size for song in songs) / len(songs)
    yield Row("building a corpus", "MIDI file", build, read / machine["copy"])
    judged, number = open_corpus("bach"), 100
    cells = number * judged.settings.shape.cells
    yield Row(f"evaluating {number} phrases of `bach`", "evaluation",
              lambda: timed(lambda: compare(judged.path, judged, number)), cells / machine["copy"])  # fmt: skip


def starts(_: dict[str, float]) -> Iterator[Row]:
    empty = statistics.median(in_child(["-c", "pass"]) for _ in range(5))
    for name, command in {
        "`bgmusic --help`": ["-m", "bgmusic", "--help"],
        "`import bgmusic`": ["-c", "import bgmusic"],
        "`bgmusic.load('bach')`": ["-c", "import bgmusic; bgmusic.load('bach')"],
    }.items():
        yield Row(f"start-up: {name}", "start", partial(in_child, command), empty)


PARTS = {"generation": generation, "training": updates, "data": data, "start-up": starts}


def table(rows: list[dict[str, float | str | int]], about: dict[str, object]) -> str:
    lines = [
        "---",
        "orphan: true",
        "---",
        "",
        "# Performance",
        "",
        "Written by `make bench` (`bench/suite.py`, which explains the floors). CPU-seconds of one thread, medians.",
        "",
        *(f"- {key}: {value}" for key, value in about.items()),
        "",
        "| | for each | CPU-s | floor | times the floor |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        seconds, floor, ratio = (float(row[key]) for key in ("seconds", "floor", "ratio"))
        lines.append(f"| {row['name']} | {row['unit']} | {seconds:.3g} | {floor:.2g} | {ratio:.3g} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path("docs/performance.md"), help="also writes FILE.json beside it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    machine = rates()
    rows = [row for part in options.only for row in PARTS[part](machine)]
    for number in range(options.rounds):
        for row in rows:
            if not number or row.seconds[0] <= ONCE:
                row.seconds.append(row.run())
                print(f"{row.name}: {row.seconds[-1]:.4g} s", flush=True)
    about = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the end",
        "torch": torch.__version__,
        "float32 products": f"{machine['float32'] / 1e9:.0f} GFLOP/s",
        "bfloat16 products": f"{machine['bfloat16'] / 1e9:.0f} GFLOP/s",
        "copy": f"{machine['copy'] / 1e9:.1f} GB/s",
    }
    values = [row.values() for row in rows]
    write_text(options.out.with_suffix(".json"), json.dumps({**about, "rows": values}, indent=1) + "\n")
    write_text(options.out, table(values, about))
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
