"""Compare long pieces with stretches of real ones: families of statistics, and drift from the first bars to the last.

    python bench/long_pieces.py bach --bars 16 [-n 100] [--data bach] [--seed 0]

Few pieces are so long: stretches of all splits are divided by pieces into two halves. Three kinds of music are compared
with one half: the other half (the floor); pieces composed freely, from phrase to phrase; and pieces composed under the
forms of the first half (which bars return, and which tracks play in which bar). Stretches do not overlap.

Drift, from the first four bars to the last: notes a bar, mean pitch, and pieces that keep their key. Returns, of each
track: the share of notes that bars have in common with the bar one, two, four and eight bars before, if both have any;
in brackets the share of bars that are equal.

With --file, pieces of another composer are compared: those of an npz file, such as bench/peer/train.py writes for a
corpus of --bars 16.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bgmusic.music.composing import planned
from bgmusic.music.composing.generate import to_rolls
from bgmusic.music.composing.load import load_generator
from bgmusic.music.composing.pieces import pieces
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.evaluation import family_distances
from bgmusic.music.networks.keys import key_of, pitch_classes
from bgmusic.music.plans.extract import extract_batch
from bgmusic.music.rolls.encodings import note_begins
from bgmusic.music.rolls.joining import join_rolls
from bgmusic.music.rolls.phrase_files import read_phrases, write_phrases
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.lookup import find_run
from bgmusic.training.protocols import SampleNetwork

SPLITS = ("train", "validation", "test")
ENDS = 4  # bars at the beginning and at the end that are compared
AGO = (1, 2, 4, 8)  # bars


def stretches(corpus: Corpus, numbers: NDArray[np.int64], bars: int) -> Phrases:
    """Return stretches of consecutive phrases of the same piece that do not overlap."""
    own = corpus.settings.shape.bars
    places: dict[int, dict[int, int]] = {}
    for number in numbers.tolist():
        passage, bar = corpus.phrases[number].tolist()
        places.setdefault(passage, {})[bar] = number
    found = []
    for known in places.values():
        bar = min(known)
        while bar <= max(known):
            needed = [bar + part for part in range(0, bars, own)]
            if all(part in known for part in needed):
                found.append([known[part] for part in needed])
                bar += bars
            else:
                bar += 1
    parts = [corpus_phrases(corpus, np.array(part)) for part in np.array(found).T]
    rolls = [join_rolls([part.roll(number) for part in parts]) for number in range(len(found))]
    of_pieces = parts[0].pieces
    return stack_rolls(rolls, None if of_pieces is None else of_pieces.tolist())


def drift(music: Phrases, shape: RollShape) -> str:
    """Describe what changes from the first bars to the last."""
    begins = note_begins(music.cells, music.onsets, music.drums)[:, ~music.drums]
    rows = np.arange(music.cells.shape[-1]) + music.track_set.low
    told, keys = [], []
    for part in (slice(0, ENDS), slice(-ENDS, None)):
        notes = begins[:, :, part].sum((1, 3, 4)).mean(1)
        cells = music.cells[:, ~music.drums, part].reshape(len(music), -1, len(rows)).sum(1)
        pitch = (cells * rows).sum(1) / cells.sum(1).clip(1)
        keys.append(key_of(pitch_classes(torch.from_numpy(music.cells[:, :, part]).flatten(2, 3), shape)))
        told.append(f"{notes.mean():.1f} notes a bar (deviation {notes.std():.1f}), pitch {pitch.mean():.1f}")
    return f"{told[0]} -> {told[1]}; key kept {100 * (keys[0] == keys[1]).float().mean():.0f}%"


def returns(music: Phrases) -> list[str]:
    """Describe how many notes bars share with earlier ones, for each track."""
    begins = note_begins(music.cells, music.onsets, music.drums)
    told = []
    for track, notes in zip(music.track_set.tracks, begins.swapaxes(0, 1), strict=True):
        columns = []
        for ago in AGO:
            now, before = notes[:, ago:], notes[:, :-ago]
            both = now.any((2, 3)) & before.any((2, 3))
            shared = (now & before).sum((2, 3)) / (now | before).sum((2, 3)).clip(1)
            equal = (now == before).all((2, 3))
            columns.append(f"{shared[both].mean():.2f} ({equal[both].mean():.0%})" if both.any() else "-")
        told.append(f"{track.name} {', '.join(columns)}")
    return told


def report(name: str, music: Phrases, real: Phrases, usual: Phrases, shape: RollShape) -> None:
    """Print how near pieces are to stretches of real ones, and their drift."""
    found = family_distances(music.encoded(real.encoding), real, usual)
    print(f"{name}: {len(music)} pieces; mean over families {found.mean.mean:.3f}, floor {found.floor.mean:.3f}")
    print("  " + ", ".join(f"{one.name} {one.distance.mean:.3f} / {one.floor.mean:.3f}" for one in found.families))
    print(f"  {drift(music, shape)}")
    print(f"  returns after {', '.join(map(str, AGO))} bars: {'; '.join(returns(music))}", flush=True)


def under_forms(generator: SampleNetwork, shape: RollShape, real: Phrases, count: int, seed: int) -> NDArray[np.bool_]:
    """Compose pieces in which the same bars return as in real stretches, and the same ones are silent.

    Silent bars are equal, too: their form alone would ask for bars with equal notes.
    """
    plans = extract_batch(real[np.arange(count) % len(real)])
    return planned.compose(generator, shape, plans.only("form", "instruments"), seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--data", default="bach")
    parser.add_argument("--bars", type=int, default=16)
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--file", type=Path, help="pieces to compare, instead of composing some")
    parser.add_argument("--out", type=Path, help="also write the pieces: free.npz and forms.npz")
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus(options.data)
    real = stretches(corpus, np.concatenate([corpus.indices(split) for split in SPLITS]), options.bars)
    half = np.random.default_rng(options.seed).permutation(len(np.unique(real.groups))) % 2 == 0
    real, usual = real[half[real.groups]], real[~half[real.groups]]
    _, shape, generator = load_generator(find_run(options.run))
    if options.file is not None:
        report(str(options.file), read_phrases(options.file)[0][: options.n], real, usual, shape)
        return
    begin = time.process_time()
    free = stack_rolls(to_rolls(pieces(generator, shape, options.bars, options.n, options.seed), shape))
    seconds = (time.process_time() - begin) / options.n
    begin = time.process_time()
    formed = stack_rolls(to_rolls(under_forms(generator, shape, real, options.n, options.seed), shape))
    print(f"{seconds:.2f} CPU-s a free piece, {(time.process_time() - begin) / options.n:.2f} under a form")
    print(f"real: {len(real)} stretches of {options.bars} bars; {drift(real, shape)}")
    print(f"  returns: {'; '.join(returns(real))}")
    report("training stretches", usual.spread(options.n), real, usual, shape)
    report("free", free, real, usual, shape)
    report("under forms", formed, real, usual, shape)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        write_phrases(free, options.out / "free.npz", seed=options.seed)
        write_phrases(formed, options.out / "forms.npz", seed=options.seed)


if __name__ == "__main__":
    main()
