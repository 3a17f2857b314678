"""Measure the registers of tracks: how the mean pitch of a phrase varies, and whether it follows the key.

    python bench/registers.py bach [--run RUN] [--data CORPUS] [-n 300] [--seed 0]

Prints, for the pieces of each split and for composed phrases, of each pitched track: the mean over phrases of its mean
pitch, the standard deviation, and the slope against the key (semitones from C, -5 to 6), in semitones. Statistics of
intervals, and a judge that transposes phrases, do not see registers.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import bgmusic
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.keys import key_of, pitch_classes, semitones_up
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.lookup import find_run

MOST = 2000  # phrases of a split


def registers(cells: NDArray[np.bool_], shape: RollShape) -> list[tuple[str, float, float, float]]:
    """Return name, mean, deviation and slope of each pitched track: of cells ``(n, tracks, bars, steps, pitches)``."""
    draft = to_draft(torch.from_numpy(np.concatenate([cells] * shape.planes, 1)).float(), shape)
    keys = semitones_up(key_of(pitch_classes(draft.cells, shape))).numpy()
    pitches, found = np.arange(shape.pitches) + shape.track_set.low, []
    for number, track in enumerate(shape.track_set.tracks):
        weights = cells[:, number].sum((1, 2))
        heard = weights.any(1)
        if shape.drums[number] or heard.sum() < 3:
            continue
        means = (weights[heard] * pitches).sum(1) / weights[heard].sum(1)
        slope = np.cov(keys[heard], means)[0, 1] / max(1e-9, keys[heard].var(ddof=1))
        found.append((track.name, float(means.mean()), float(means.std()), float(slope)))
    return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--run", type=Path, help="instead of the shipped generator of that name")
    parser.add_argument("--data")
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    composer = bgmusic.load(str(given.run or find_run(given.name)))
    corpus, rng = bgmusic.open_corpus(given.data or given.name), np.random.default_rng(0)
    music: dict[str, Phrases] = {}
    for split in ("train", "validation", "test"):
        numbers = corpus.indices(split)
        music[split] = corpus_phrases(corpus, np.sort(rng.choice(numbers, min(MOST, len(numbers)), replace=False)))
    music["composed"] = stack_rolls(composer.generate(given.n, seed=given.seed))
    for name, phrases in music.items():
        rows = registers(phrases.cells, composer.shape)
        values = [f"{track} {mean:.1f}, {spread:.2f}, {slope:+.2f}" for track, mean, spread, slope in rows]
        print(f"{name} ({len(phrases.cells)}): mean, deviation, slope: {'; '.join(values)}")


if __name__ == "__main__":
    main()
