"""Count what composers weigh by `network.rates`, in real and in composed phrases: means over phrases.

    python bench/rates.py freedoom [--data freedoom] [-n 300] [--seed 0] [--file FILE]

Composes phrases, or counts in those of an npz file. The counts: `bgmusic/music/networks/causal/rates.py`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from pathlib import Path

import numpy as np
import torch

from bgmusic.music.composing.generate import phrases, to_rolls
from bgmusic.music.composing.load import load_generator
from bgmusic.music.composing.phrase_sources import open_phrases
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.networks.causal.rates import Counts, count_phrases
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.lookup import find_run

MANY = 2000  # real phrases


def count(music: Phrases, shape: RollShape) -> Counts:
    """Return the means over phrases of the onset encoding."""
    onsets = music.cells if music.onsets is None else music.onsets
    planes = (torch.from_numpy(np.ascontiguousarray(plane)).flatten(2, 3) for plane in (music.cells, onsets))
    cells, starts = (plane.transpose(1, 2) for plane in planes)
    return Counts(*(values.mean(0) for values in vars(count_phrases(cells, starts, shape)).values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--data", default="bach")
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--file", type=Path, help="npz of composed phrases")
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus(options.data)
    _, shape, generator = load_generator(find_run(options.run))
    if options.file:
        made = open_phrases(options.file, corpus, options.n)
    else:
        made = stack_rolls(to_rolls(phrases(generator, shape, options.n, options.seed), shape))
    music = [corpus_phrases(corpus, corpus.indices(split)).spread(MANY) for split in ("train", "validation")]
    found = [vars(count(one.encoded("onset"), shape)) for one in (*music, made)]
    print(f"{'':36} {'training':>9} {'validat.':>9} {'composed':>9}")
    tracks = [track.name for track in music[0].track_set.tracks]
    kinds = {
        "notes": ("notes on the beat", "notes off the beat"),
        "sounding": ("sounding beats", "sounding bars"),
        "held": ("held over a bar line", "held over another beat"),
        "rhythms": ("rhythm of 1 bar before", "the same, bars", "rhythm of 2 bars before", "the same, bars"),
        "again": ("notes of 1 bar before", "the same, bars", "notes of 2 bars before", "the same, bars"),
    }
    print(f"{'pitch classes':36} " + " ".join(f"{float(one['entering'].sum()):9.2f}" for one in found))
    for name, labels in kinds.items():
        for track, column in zip(tracks, zip(*(one[name].flatten(1) for one in found), strict=True), strict=True):
            for label, values in zip(labels, zip(*column, strict=True), strict=True):
                print(f"{track}, {label}".ljust(36), *(f"{float(value):9.2f}" for value in values))


if __name__ == "__main__":
    main()
