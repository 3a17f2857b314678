"""Train on a corpus that is larger than memory: speed and memory, next to the small corpus that it was made from.

    python bench/large_corpus.py [--gigabytes 2.5] [--source bach] [--preset default] [--updates 30] [--rounds 3]

Makes a corpus of so many gigabytes of packed bits (boolean piano-rolls take 8 times as much) from copies of the pieces
of a small one, under other names, with distinct rows. Then it trains on either in processes of their own, in turns:
CPU-seconds of an update and of loading, resident memory (anonymous; of mapped files, which the system takes back when
it needs memory). ``evicted``: the pages of the corpus are dropped from memory before every batch, as in the worst case
of a corpus far larger than memory; ``loading_wall``, also in seconds, then has the waiting for the disk, and on a busy
machine that for the processor. Deletes the corpus at the end.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import hashlib
import json
import mmap
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bgmusic.files import write_bytes
from bgmusic.music.corpora.assemble import Assembly
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.corpora.parts import Part
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.training.pianoroll import fit, make_training
from bgmusic.training.memory import keep_freed_memory
from bgmusic.yaml import load_preset, validate


def enlarge(source: Corpus, out: Path, size: int) -> None:
    """Build a corpus of ``size`` bytes of packed bits of copies of a corpus."""
    planes = np.concatenate([np.asarray(shard) for shard in source.shards])[1:]
    copies, pieces = -(-size // planes.nbytes), len(source.pieces)
    building = out / "making"
    building.mkdir(parents=True)
    with Assembly(building, source.settings) as assembly:
        for copy in range(copies):
            records = [about(record, copy) for record in source.pieces]
            prints = np.array([int(record["sha256"][:16], 16) for record in records], np.uint64)
            own = {name: getattr(source, name) for name in ("bars", "passages", "phrases")}
            part = Part(source.ranges[1:], **own, prints=prints, print_owners=np.arange(pieces), pieces=records,
                        skipped=[], planes=[planes])  # fmt: skip
            write_bytes(building / "part", b"".join(part.pack()))
            assembly.add(building / "part")
        assembly.finish(out, {"sources": [source.path.name], "ignored_files": {}}, compress=False)


def about(record: dict[str, Any], copy: int) -> dict[str, Any]:
    """Return the record of a copy of a piece, as of another file."""
    name, digest = f"{copy:06}/{record['name']}", hashlib.sha256(f"{copy} {record['sha256']}".encode()).hexdigest()
    kept = {key: value for key, value in record.items() if key not in ("group", "split")}
    return kept | {"name": name, "sha256": digest}


def memory() -> dict[str, float]:
    """Return the resident megabytes of this process: now anonymous and of mapped files, and at the peak of both."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile", "VmHWM")}


class Watched:
    """A source of batches that counts what loading costs, and can drop its corpus from memory before each batch."""

    def __init__(self, loader: Any, evict: bool) -> None:
        self.loader, self.evict = loader, evict
        self.cpu, self.wall, self.faults = 0.0, 0.0, 0
        self._files = sorted(loader.corpus.path.glob("bits-*.npy"))

    def __len__(self) -> int:
        return len(self.loader)

    def batch(self, size: int, generator: torch.Generator | None = None) -> Tensor:
        if self.evict:
            drop(self.loader.corpus, self._files)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
        wall, cpu = time.perf_counter(), time.process_time()
        found: Tensor = self.loader.batch(size, generator)
        self.wall, self.cpu = self.wall + time.perf_counter() - wall, self.cpu + time.process_time() - cpu
        self.faults += resource.getrusage(resource.RUSAGE_SELF).ru_majflt - faults
        return found


def drop(corpus: Corpus, files: list[Path]) -> None:
    """Drop a corpus's packed bits from this process and from the page cache; its tables, a few percent, stay."""
    for array in corpus.shards:
        base = array
        while base is not None and not isinstance(base, mmap.mmap):
            base = base.base if isinstance(base, np.ndarray) else None
        if base is not None:
            base.madvise(mmap.MADV_DONTNEED)
    for file in files:
        number = os.open(file, os.O_RDONLY)
        os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(number)


def train(path: str, preset: str, updates: int, evict: bool) -> dict[str, float]:
    """Train in this process; return what it cost."""
    keep_freed_memory()
    torch.set_num_threads(1)
    config = validate(PianorollConfig, load_preset("pianoroll", preset), preset)
    before, cpu = memory(), time.process_time()
    corpus = open_corpus(path)
    opened, opening = memory(), time.process_time() - cpu
    training = make_training(fit(config, corpus), corpus, 0)
    made, making = memory(), time.process_time() - cpu - opening
    source = training.source = Watched(training.source, evict)
    for _ in range(3):
        training.advance()
    source.cpu, source.wall, source.faults = 0.0, 0.0, 0
    each = []
    for _ in range(updates):
        cpu = time.process_time()
        training.advance()
        each.append(time.process_time() - cpu)
    after = memory()
    return {
        "opening": opening, "making": making, "update": statistics.median(each),
        "loading": source.cpu / updates, "loading_wall": source.wall / updates, "faults": source.faults / updates,
        "opened_anon": opened["RssAnon"] - before["RssAnon"], "made_anon": made["RssAnon"] - before["RssAnon"],
        "anon": after["RssAnon"], "file": after["RssFile"], "peak": after["VmHWM"],
    }  # fmt: skip


def in_child(path: Path | str, asked: argparse.Namespace, evict: bool) -> dict[str, float]:
    words = ["--train", str(path), "--preset", asked.preset, "--updates", str(asked.updates)]
    command = [sys.executable, __file__, *words, *(["--evict"] if evict else [])]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def compare(small: str, large: Path, asked: argparse.Namespace) -> None:
    places = {"small": (small, False), "large": (large, False), "large, evicted": (large, True)}
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in places}
    for _ in range(asked.rounds):
        for name, (path, evict) in places.items():
            rounds[name].append(in_child(path, asked, evict))
    found = {
        name: {key: statistics.median(each[key] for each in several) for key in several[0]}
        for name, several in rounds.items()
    }
    for key in found["small"]:
        unit = "MB" if key in ("opened_anon", "made_anon", "anon", "file", "peak") else ""
        print(f"{key:14}", *(f"{values[key]:14.4f}" for values in found.values()), unit)
    one, other = found["small"], found["large"]
    print(f"speed of an update: {one['update'] / other['update']:.1%} of the small corpus's")
    print(f"anonymous memory: {other['anon'] - one['anon']:+.0f} MB, of files {other['file'] - one['file']:+.0f} MB")
    for name, values in found.items():
        print(f"{name}: loading takes {values['loading'] / values['update']:.2%} of an update")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.5)
    parser.add_argument("--source", default="bach")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--updates", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the corpus is made; default: the temporary folder")
    parser.add_argument("--keep", type=Path, help="make the corpus here, or use it if it exists; do not delete it")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--evict", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.train:
        print(json.dumps(train(asked.train, asked.preset, asked.updates, asked.evict)))
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        large = asked.keep or Path(name) / "large"
        if not large.exists():
            started = time.process_time()
            enlarge(open_corpus(asked.source), large, int(asked.gigabytes * 1e9))
            print(f"made in {time.process_time() - started:.1f} CPU-s; peak {memory()['VmHWM']:.0f} MB")
        sizes = {file.name: file.stat().st_size / 1e6 for file in sorted(large.iterdir()) if file.is_file()}
        print(", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items()))
        compare(asked.source, large, asked)


if __name__ == "__main__":
    main()
