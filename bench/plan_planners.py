"""Measure planners: statistics of their plans, and how well a small network tells them from plans of held-out pieces.

    python bench/plan_planners.py /tmp/pop909 runs/game runs/imitation

The first row has held-out plans; the second, the floor, plans of training pieces. A network of one hidden layer is
trained to tell plans from held-out ones, in random keys, by five folds of pieces; 50% is best. `harmony` shows it the
chords and basses, `all` the whole plan.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.music.composing.planners import load_planner, sample_bits
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.networks.planner.decisions import templates
from bgmusic.music.networks.planner.layout import PlanBits, PlanLayout
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.training.plans import corpus_bits

FOLDS, EPOCHS, BATCH = 5, 12, 64


def pieces_of(corpus: Corpus, split: str, count: int) -> Tensor:
    """Return the piece of each plan that ``corpus_bits`` returns."""
    indices = corpus.indices(split)
    chosen = indices[np.linspace(0, len(indices) - 1, min(count, len(indices))).astype(np.int64)]
    return torch.from_numpy(corpus.piece_of_phrase[chosen])


def in_key(layout: PlanLayout, bits: Tensor, semitones: int) -> Tensor:
    parts = layout.split(bits)
    chord, bass = parts.chord.roll(semitones, -1), parts.bass.roll(semitones, -1)
    return PlanBits(chord, bass, parts.instruments, parts.activity, parts.form).vector()


def told_apart(layout: PlanLayout, made: Tensor, real: Tensor, pieces: Tensor, harmony: bool) -> float:
    """Return the balanced accuracy of networks on folds that they have not seen."""
    rng = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    order = pieces.unique()[torch.randperm(len(pieces.unique()), generator=rng)]
    fold_of_real = torch.tensor([int((order == piece).nonzero()) % FOLDS for piece in pieces])
    fold = torch.cat([torch.arange(len(made)) % FOLDS, fold_of_real])
    data, label = torch.cat([made, real]), torch.cat([torch.zeros(len(made)), torch.ones(len(real))])
    width = layout.sizes["harmony"] if harmony else layout.bits
    right = torch.zeros(len(data))
    for held in range(FOLDS):
        network = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 1))
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.1)
        train = (fold != held).nonzero().flatten()
        for _ in range(EPOCHS):
            for rows in train[torch.randperm(len(train), generator=rng)].split(BATCH):
                shown = in_key(layout, data[rows], int(torch.randint(12, (1,), generator=rng)))[:, :width]
                loss = F.binary_cross_entropy_with_logits(network(shown).squeeze(1), label[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        network.eval()
        test = (fold == held).nonzero().flatten()
        with torch.no_grad():
            keys = [network(in_key(layout, data[test], key)[:, :width]).squeeze(1) for key in range(12)]
        right[test] = ((torch.stack(keys).mean(0) > 0) == (label[test] > 0)).float()
    return float((right[label == 0].mean() + right[label == 1].mean()) / 2)


def row(layout: PlanLayout, bits: Tensor) -> str:
    parts = layout.split(bits)
    sizes = parts.chord.sum(-1)
    heard = sizes > 0
    chord_changes = (parts.chord[:, 1:] != parts.chord[:, :-1]).any(-1).float().mean()
    bass_changes = (parts.bass[:, 1:] != parts.bass[:, :-1]).any(-1).float().mean()
    inside = (parts.bass * parts.chord).sum(-1)[heard].mean()
    known = (parts.chord.unsqueeze(2) == templates()).all(-1).any(-1).float().mean()
    chords = np.mean([len(torch.unique(plan, dim=0)) for plan in parts.chord])
    plays = parts.instruments.mean()
    new = torch.diagonal(parts.form, dim1=-2, dim2=-1)[..., 1:].mean()
    return (
        f"{chord_changes:8.1%} {bass_changes:8.1%} {sizes[heard].mean():8.2f} {inside:8.1%} {known:8.1%} {chords:8.2f} "
        f"{1 - heard.float().mean():8.1%} {plays:8.1%} {1 - new:8.1%} {parts.activity.sum(-1).mean():8.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--number", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus, count = open_corpus(options.corpus), options.number
    layout = PlanLayout(PlanShape.of(corpus.settings.shape))
    held_out = torch.from_numpy(corpus_bits(corpus, "test", count)).float()
    pieces = pieces_of(corpus, "test", count)
    rows = {"training pieces": torch.from_numpy(corpus_bits(corpus, "train", count)).float()}
    for run in options.runs:
        rows[run] = torch.from_numpy(sample_bits(load_planner(Path(run)), count, 0)).float()
    titles = "chords,basses,classes,inside,known,each,silent,plays,repeats,levels,harmony,all"
    print(f"{'':24} " + " ".join(f"{title:>8}" for title in titles.split(",")))
    print(f"{'held-out':24} {row(layout, held_out)}")
    for name, bits in rows.items():
        told = [told_apart(layout, bits, held_out, pieces, harmony) for harmony in (True, False)]
        print(f"{name[-24:]:24} {row(layout, bits)} {told[0]:8.1%} {told[1]:8.1%}", flush=True)


if __name__ == "__main__":
    main()
