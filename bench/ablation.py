"""What each part of a causal composer adds: draft, random revisions, critic, plans of sketches and of planners.

    python bench/ablation.py bach [--run RUN] [--planner NAME=RUN ...] [-n 250] [--json FILE]

Each row is scored as by judge_validation.py, with training and validation pieces alone: the judge, the mean over
families, rates, and the CPU-seconds of a phrase, composed 16 at a time (planned ones: one at a time).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from judge_validation import score
from numpy.typing import NDArray

from bgmusic.files import write_text
from bgmusic.music.composing.generate import to_rolls
from bgmusic.music.composing.load import KIND, build_generator
from bgmusic.music.composing.phrase_sources import training
from bgmusic.music.composing.planned import Wishes, compose, wished_plan
from bgmusic.music.composing.planners import decide, load_planner
from bgmusic.music.composing.sketches import sketched
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.plans.extract import extract_batch
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.rolls.phrases import stack_rolls
from bgmusic.training.lookup import find_run
from bgmusic.training.weights import read_generator

BATCH = 16
PASSES, REOPENED = 6, 0.25  # of random revisions
AS_MUSIC = "critic, plan: of validation phrases"
SHOWN = ("parallel fifths", "parallel octaves", "moves by step", "beats on a triad (", "V-I cadences")


def composer(run: Path, **network: float) -> CausalComposer:
    """Load a composer with other settings of composing."""
    path = run / "generator.safetensors"
    config, weights = read_generator(path, KIND, PianorollConfig)
    config = config.model_copy(update={"network": config.network.model_copy(update=network)})
    return cast("CausalComposer", build_generator(config, weights, str(path))[1])


def composed(network: CausalComposer, number: int, passes: int = 0) -> NDArray[np.bool_]:
    """Compose phrases without a plan, then reopen random units in some passes."""
    rng, made = torch.Generator().manual_seed(0), []
    for _ in range(0, number, BATCH):
        noise = torch.randn(BATCH, network.latent, generator=rng)
        phrases = network(noise)
        if passes:
            units = BATCH, len(network.shape.track_set), network.shape.bars * network.shape.beats
            again = torch.randn(BATCH, network.latent, generator=rng)
            phrases = network.revise(phrases, torch.ones(units, dtype=torch.bool), again, passes, REOPENED)
        made.append(phrases > 0.5)
    return torch.cat(made)[:number].numpy()


def planned(network: CausalComposer, number: int, planner: Path | None, chords: bool = False) -> NDArray[np.bool_]:
    """Compose phrases under plans of a planner or, without one, of sketches; or under their chords alone."""
    plan = wished_plan(PlanShape.of(network.shape), Wishes())
    if planner is None:
        plans = sketched(network, network.shape, plan, number, seed=0)
    else:
        plans = decide(load_planner(planner), plan, number, seed=0)
    if chords:
        plans = plans.only("harmony")
    return compose(network, network.shape, plans, seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--run", help="a run, or a shipped generator; by default the corpus's name")
    parser.add_argument("--planner", action="append", default=[], metavar="NAME=RUN")
    parser.add_argument("-n", "--number", type=int, default=250)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.networks, options.epochs, options.seed = 1, 4, 0  # of the judge
    corpus, number = open_corpus(options.corpus), options.number
    valid, train = corpus_phrases(corpus, corpus.indices("validation")), training(corpus)
    run = find_run(options.run or options.corpus)
    shape = composer(run).shape
    ways: dict[str, Callable[[], NDArray[np.bool_]]] = {
        "draft": lambda: composed(composer(run, drafts=1), number),
        "draft, nucleus 0.95": lambda: composed(composer(run, drafts=1, nucleus=0.95), number),
        f"draft, {PASSES} random revisions": lambda: composed(composer(run, drafts=1), number, PASSES),
    }
    for drafts in (4, 8, 16, 32):
        ways[f"critic, {drafts} drafts"] = lambda drafts=drafts: composed(
            composer(run, drafts=drafts, blank_drafts=drafts), number
        )
    ways["critic, plan: sketch"] = lambda: planned(composer(run), number, None)
    ways["critic, chords of a sketch"] = lambda: planned(composer(run), number, None, chords=True)
    real = valid.spread(number)
    ways[AS_MUSIC] = lambda: compose(composer(run), shape, extract_batch(real), seed=0)
    for name, planner in (each.split("=", 1) for each in options.planner):
        ways[f"critic, plan: {name}"] = lambda planner=planner: planned(composer(run), number, Path(planner))
    found = dict[str, Any]()
    for name, way in ways.items():
        begin = time.process_time()
        made = way()
        spent = (time.process_time() - begin) / number
        samples = stack_rolls(to_rolls(made, shape)).encoded(valid.encoding)
        derived = name == AS_MUSIC
        samples = replace(samples, pieces=real.pieces) if derived else samples
        one = score(samples, valid, train, options, derived)
        found[name] = {**one, "cpu_seconds_a_phrase": spent}
        low, high = one["interval"]
        rates = "  ".join(f"{key} {rate:.2f}" for key, rate in one["rates"].items() if key.startswith(SHOWN))
        print(f"{name:36} {spent:.3f} CPU-s  judge {one['accuracy']:.1%} ({low:.1%} to {high:.1%})", end="  ")
        print(f"AUC {one['auc']:.3f}  families {one['families']['mean over families'][0]:.3f}  {rates}", flush=True)
    if options.json:
        write_text(options.json, json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
