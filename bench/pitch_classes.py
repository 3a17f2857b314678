"""Count the pitch classes of phrases, and those that sound rarely: most of these are stray notes.

    python bench/pitch_classes.py bach [--data bach] [-n 300] [--seed 0]

Rare classes sound for less than 3% of the time that all notes of the phrase last.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse

import numpy as np
import torch

from bgmusic.music.composing.generate import phrases, to_rolls
from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.training.lookup import find_run

RARE = 0.03
MANY = 2000  # real phrases


def describe(music: Phrases) -> str:
    """Describe the pitch classes of phrases."""
    cells = music.cells[:, ~music.drums].sum((1, 2, 3))
    lasting = np.zeros((len(music), 12))
    np.add.at(lasting.T, (np.arange(cells.shape[1]) + music.track_set.low) % 12, cells.T)
    share = lasting / lasting.sum(1, keepdims=True).clip(1)
    rare = ((share > 0) & (share < RARE)).sum(1).mean()
    return f"{(share > 0).sum(1).mean():.2f} pitch classes a phrase, {rare:.2f} of them rare"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--data", default="bach")
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus(options.data)
    for split in ("train", "validation"):
        print(f"{split}: {describe(corpus_phrases(corpus, corpus.indices(split)).spread(MANY))}", flush=True)
    _, shape, generator = load_generator(find_run(options.run))
    made = phrases(generator, shape, options.n, options.seed)
    print(f"{options.run}: {describe(stack_rolls(to_rolls(made, shape)))}")


if __name__ == "__main__":
    main()
