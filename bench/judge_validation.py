"""Judge generated phrases during development, without the test pieces of a corpus.

The judge compares them with training and validation pieces, the families of statistics with validation pieces alone.
Rates of events stand beside those of validation and training pieces. Fewer networks and epochs are cheaper and less
strict: compare models by the same settings and the same number of phrases.

python bench/judge_validation.py bach rolls.npz other.npz --networks 1 --epochs 4
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from bgmusic.files import write_text
from bgmusic.music.composing.phrase_sources import open_phrases, training
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.evaluation import family_distances
from bgmusic.music.judging.judge import judge
from bgmusic.music.judging.statistics import all_statistics
from bgmusic.music.rolls.phrases import Phrases


def rates(phrases: Phrases) -> dict[str, float]:
    """Return the rates of all events: for each phrase, or per 100 occasions."""
    events = [one for one in all_statistics(phrases) if one.unit and one.parts]
    return {f"{one.name} ({one.unit})": one.parts[0].mean() * (1 if one.unit == "phrase" else 100) for one in events}


def score(
    samples: Phrases, valid: Phrases, train: Phrases, options: argparse.Namespace, derived: bool = False
) -> dict[str, Any]:
    """Return all scores of phrases by name; ``derived`` as of ``judge``."""
    begin = time.process_time()
    distances = family_distances(samples, valid, train)
    families = {one.name: (one.distance.mean, one.floor.mean) for one in distances.families}
    families["mean over families"] = (distances.mean.mean, distances.floor.mean)
    families["core distance"] = (distances.core.mean, distances.core_floor.mean)
    found = judge(samples, [train, valid], options.seed, options.networks, options.epochs, derived=derived)
    return {
        "phrases": len(found.logits),
        "accuracy": found.accuracy,
        "interval": (found.low, found.high),
        "auc": found.auc,
        "families": families,
        "rates": rates(samples),
        "cpu_seconds": time.process_time() - begin,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("files", nargs="+", type=Path, help="npz of phrases, MIDI files, or the corpus itself")
    parser.add_argument("-n", "--number", type=int, default=500, help="phrases of each file at most")
    parser.add_argument("--networks", type=int, default=1, help="networks for each fold (bgmusic evaluate: 3)")
    parser.add_argument("--epochs", type=int, default=4, help="passes over the phrases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the scores as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus(options.corpus)
    valid = corpus_phrases(corpus, corpus.indices("validation"))
    usual = {"validation": rates(valid), "training": rates(training(corpus).spread(len(valid)))}
    scores = {}
    for path in options.files:
        itself = str(path) == options.corpus  # half of the training pieces, against the other half
        train = training(corpus, half=itself)
        samples = open_phrases(path, corpus, options.number).encoded(valid.encoding)
        found = scores[str(path)] = score(samples, valid, train, options)
        low, high = found["interval"]
        print(f"{path}: {found['phrases']} phrases, {found['cpu_seconds']:.0f} CPU-s")
        print(f"  judge {found['accuracy']:.1%} ({low:.1%} to {high:.1%}), AUC {found['auc']:.3f}")
        print("  families, distance / floor:")
        print(*(f"    {name:20} {far:.3f} / {near:.3f}" for name, (far, near) in found["families"].items()), sep="\n")
        print(f"  {'events':57} {'samples':>9} {'validat.':>9} {'training':>9}")
        for name, rate in found["rates"].items():
            sides = (usual[side].get(name, float("nan")) for side in ("validation", "training"))
            print(f"    {name:55} {rate:9.3f} " + " ".join(f"{value:9.3f}" for value in sides), flush=True)
    if options.json:
        write_text(options.json, json.dumps(scores, indent=2) + "\n")


if __name__ == "__main__":
    main()
