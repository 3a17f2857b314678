"""Time and memory of an update of each music preset on a GPU, in float32 and in bfloat16.

    python bench/gpu_presets.py [--updates 30] [--data lpd-8=DIR]

An update is a G update with its D updates. A preset is left out if no corpus fits it: `lpd-8` needs one of its own.
"""

from __future__ import annotations

import argparse
import time

import torch

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.training.pianoroll import fit, make_training
from bgmusic.yaml import load_preset, merge, validate

DATA = {"default": "bach", "satb": "bach", "accompany": "bach", "lpd-5": "freedoom"}


def measure(preset: str, data: str, precision: str, updates: int) -> tuple[float, float]:
    """Milliseconds of an update, and the most GB of GPU memory in use."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    corpus = open_corpus(data)
    changes = {"training": {"precision": precision, "warmup": None}}
    config = validate(PianorollConfig, merge(load_preset("pianoroll", preset), changes), preset)
    game = make_training(fit(config, corpus), corpus, 0, "cuda")
    for _ in range(5):  # the first ones choose kernels
        game.advance()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(updates):
        game.advance()
    torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start) / updates, torch.cuda.max_memory_allocated() / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=30)
    parser.add_argument("--data", action="append", default=[], metavar="PRESET=CORPUS")
    options = parser.parse_args()
    data = DATA | dict(pair.split("=", 1) for pair in options.data)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options.updates} updates")
    print(f"{'preset':12}{'corpus':12}{'precision':12}{'ms an update':>14}{'GB':>7}")
    for preset, corpus in data.items():
        for precision in ("float32", "bfloat16"):
            milliseconds, gigabytes = measure(preset, corpus, precision, options.updates)
            print(f"{preset:12}{corpus[-11:]:12}{precision:12}{milliseconds:14.1f}{gigabytes:7.1f}", flush=True)


if __name__ == "__main__":
    main()
