"""Rows of the table "our default against BinaryMuseGAN": one training at a budget of CPU time, kept as a run.

    python bench/roll_rows.py --data bach --config satb --strategy end-to-end --cpu-minutes 30 --out RUNS/end-to-end
    bgmusic evaluate RUNS/end-to-end --against bach

One thread. The budget counts the updates' own CPU-seconds, as ``timings.jsonl`` has them; starting, pictures and
checkpoints are not counted. A run interrupted goes on from its last checkpoint (``--resume``).
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import torch

from bgmusic.music.composing.load import KIND
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.training.pianoroll import begin_with, fit, make_training
from bgmusic.training.callbacks import Checkpoints, MetricsLog, ProgressBar
from bgmusic.training.memory import keep_freed_memory
from bgmusic.training.runs import Run, environment
from bgmusic.training.session import resume
from bgmusic.yaml import load_preset, merge, set_value, validate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="bach")
    parser.add_argument("--config", default="default")
    parser.add_argument("--strategy", default=None)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--start", type=Path, default=None, help="first stage, for a second one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu-minutes", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    values = load_preset("pianoroll", options.config)
    if options.strategy:
        values = merge(values, load_preset("pianoroll/strategies", options.strategy))
    for assignment in options.set:
        set_value(values, assignment)
    corpus = open_corpus(options.data)
    config = fit(validate(PianorollConfig, values, options.config), corpus)
    game = make_training(config, corpus, options.seed)
    config = config.model_copy(update={"training": game.config})
    if options.resume:
        run = Run.open(options.out, KIND)
        resume(run, game)
    else:
        places = {"data": options.data, "start": str(options.start) if options.start else None, "minutes": None}
        about = environment(options.seed, "cpu", shlex.join(["python", "bench/roll_rows.py", *sys.argv[1:]]))
        run = Run.create(options.out, KIND, config, {**about, **places})
        if options.start:
            begin_with(game, config, options.start)
    game.run(
        [MetricsLog(run), Checkpoints(run, config), ProgressBar()], lambda: game.cpu_seconds >= 60 * options.cpu_minutes
    )
    print(f"{game.steps_done} G updates, {game.d_updates_done} D updates, {game.cpu_seconds:.0f} CPU-seconds")


if __name__ == "__main__":
    main()
