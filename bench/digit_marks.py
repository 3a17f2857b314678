"""Measure the quality of digits over CPU time: train a preset on one thread and score it at given times.

    python bench/digit_marks.py --config default --set neuron=sbn --seed 1 --marks 23,46,142 --out marks.jsonl

Marks are in CPU-seconds of training, without scoring and start-up; the end of the training is scored too. Each line of
the output holds the name and changes of the config, the seed, the CPU-seconds, the updates, and the scores. To search
for recipes, use ``--holdout 10000``: the reference is then the last training digits instead of the test digits.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from bgmusic.digits.data import SHAPE, load_digits
from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.digits.samples import sample
from bgmusic.digits.scores import Scorer
from bgmusic.digits.train import make_game
from bgmusic.yaml import load_preset, set_value, validate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="default", help="preset or file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--marks", default="", help="CPU-seconds, separated by commas")
    parser.add_argument("--holdout", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="lines are appended")
    options = parser.parse_args()
    torch.set_num_threads(1)
    values = load_preset("mnist", options.config)
    for assignment in options.set:
        set_value(values, assignment)
    config = validate(DigitsConfig, values, options.config)
    if options.holdout:
        packed = load_digits("train").packed[-options.holdout :]
        reference = np.unpackbits(packed, axis=1).reshape(-1, *SHAPE)
    else:
        reference = load_digits("test").images()
    scorer = Scorer(reference)
    game = make_game(config, options.seed, holdout=options.holdout)
    marks = sorted(float(mark) for mark in options.marks.split(",") if mark)
    while game.progress < 1:
        game.advance()
        if game.progress == 1 or (marks and game.cpu_seconds >= marks[0]):
            scores = scorer(sample(game.sampler, 10_000, seed=options.seed))
            line = {
                "config": options.config,
                "set": options.set,
                "seed": options.seed,
                "reference": "held-out training digits" if options.holdout else "test digits",
                "cpu_seconds": round(game.cpu_seconds, 1),
                "g_updates": game.steps_done,
                "d_updates": game.d_updates_done,
                **scores.as_dict(),
            }
            with options.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
            marks = [mark for mark in marks if mark > game.cpu_seconds]


if __name__ == "__main__":
    main()
