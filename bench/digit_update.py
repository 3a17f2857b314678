"""Measure the time of one round of updates of a digits preset on one thread.

    python bench/digit_update.py --config paper --rounds 100

A round is one G update with its D updates (5 for the paper's preset), without warm-up. For comparison, BinaryGAN's code
took 0.055 CPU-s a round with the MLPs and 0.383 with the CNNs, on one core of a similar machine.
"""

from __future__ import annotations

import argparse
import time

import torch

from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.digits.train import make_game
from bgmusic.yaml import load_preset, set_value, validate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="paper")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    values = load_preset("mnist", options.config)
    for assignment in ["training.warmup=null", *options.set]:
        set_value(values, assignment)
    game = make_game(validate(DigitsConfig, values, options.config), seed=0)
    for _ in range(10):
        game.advance()
    times = []
    for _ in range(options.rounds):
        start = time.process_time()
        game.advance()
        times.append(time.process_time() - start)
    times.sort()
    low, middle, high = (times[int(share * (len(times) - 1))] * 1e3 for share in (0.1, 0.5, 0.9))
    print(f"{options.config}: {middle:.1f} ms of CPU a round (10% {low:.1f}, 90% {high:.1f}), {options.rounds} rounds")


if __name__ == "__main__":
    main()
