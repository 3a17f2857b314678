"""Measure how fast batches are loaded, relative to how fast a training uses them.

    python bench/loading.py [--corpus freedoom] [--batch 64] [--taken 5] [--device cpu]

Uses processor time on one core. ``--taken`` is the number of batches per second that a training uses; on this CPU, no
training on one core uses more than 5 batches of 64 phrases of lpd-5.
"""

from __future__ import annotations

import argparse
import time

import torch

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.loader import Loader


def rate(loader: Loader, batch: int, reuse: bool, seconds: float = 3.0) -> float:
    """Return batches per second, of processor time on a CPU, else of wall time; ``reuse`` writes into one tensor."""
    generator = torch.Generator().manual_seed(0)
    on_cpu = loader.device.type == "cpu"
    clock = time.process_time if on_cpu else time.perf_counter
    out = loader.batch(batch, generator) if reuse else None
    for _ in range(3):
        loader.batch(batch, generator, out)
    count, started = 0, clock()
    while clock() - started < seconds:
        loader.batch(batch, generator, out)
        count += 1
        if not on_cpu:
            torch.cuda.synchronize()
    return count / (clock() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="freedoom")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--taken", type=float, default=5.0)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus(asked.corpus)
    print(f"{asked.corpus}: batches of {asked.batch}, {corpus.track_set.name}, on {asked.device}")
    for encoding in ("onset", "pause"):
        for transpose in ((0, 0), (-5, 6)):
            for dtype in (torch.bool, torch.bfloat16, torch.float32):
                options = {"transpose": transpose, "random_offset": True, "dtype": dtype}
                loader = corpus.loader("train", device=asked.device, encoding=encoding, **options)
                moved = "transposed" if transpose != (0, 0) else "untransposed"
                for reuse in (False, True) if dtype.is_floating_point else (False,):
                    speed = rate(loader, asked.batch, reuse)
                    print(
                        f"{encoding}, {moved}, {str(dtype).removeprefix('torch.')}{', out=' if reuse else ''}: "
                        f"{speed:.0f} batches/s, {speed / asked.taken:.0f} times --taken"
                    )


if __name__ == "__main__":
    main()
