"""Judge generated phrases by a network that shares nothing with the composer's critics or with the learned judge.

    python bench/roll_judge.py bach samples/rolls.npz [other.npz ...] [-n 500] [--networks 2] [--epochs 12]

It sees piano-rolls, not features of music: convolutions over steps and pitches may find intervals and rhythms
by itself. Phrases are transposed at random; folds are by pieces, all real phrases of the corpus are used, as in the
learned judge. A composer that has learnt to satisfy one kind of judge is not thereby near real music for another.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.music.composing.phrase_sources import halves, open_phrases
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.judging.two_sample import FOLDS, balanced_accuracy, folds, interval, thresholds
from bgmusic.music.rolls.phrases import Phrases

BATCH, SHIFT = 32, 5


class RollNetwork(nn.Module):
    """Map rolls ``(n, channels, steps, pitches)`` to logits ``(n,)``, positive for real ones."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 32, (5, 13), (2, 1), (2, 6))
        self.second = nn.Conv2d(32, 32, (3, 5), 2, (1, 2))
        self.third = nn.Conv2d(32, 48, (5, 5), 2, 2)
        self.judge = nn.Linear(96, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, rolls: Tensor) -> Tensor:
        """Apply the network."""
        x = self.dropout(F.leaky_relu(self.first(rolls), 0.1))
        x = self.dropout(F.leaky_relu(self.second(x), 0.1))
        x = F.leaky_relu(self.third(x), 0.1)
        logits: Tensor = self.judge(self.dropout(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)))[:, 0]
        return logits


def planes(phrases: Phrases) -> Tensor:
    """Return cells and onsets: uint8 ``(n, channels, steps, pitches)``."""
    parts = [phrases.cells] if phrases.onsets is None else [phrases.cells, phrases.onsets]
    return torch.from_numpy(np.concatenate(parts, 1)).flatten(2, 3).to(torch.uint8)


def moved(rolls: Tensor, drums: Tensor, rng: torch.Generator) -> Tensor:
    """Transpose each roll at random, but for drums."""
    shifts = torch.randint(-SHIFT, SHIFT + 1, (len(rolls),), generator=rng)
    other = torch.stack([roll.roll(int(shift), -1) for roll, shift in zip(rolls, shifts, strict=True)])
    return torch.where(drums[:, None, None], rolls, other).float()


def fit(rolls: Tensor, label: Tensor, train: Tensor, drums: Tensor, epochs: int, seed: int) -> RollNetwork:
    """Train a network on as many real phrases as generated ones in each batch."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    network, half = RollNetwork(rolls.shape[1]), BATCH // 2
    fake, real = train[label[train] == 0], train[label[train] == 1]
    steps = epochs * (len(fake) // half)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps + 1)
    target = torch.cat([torch.zeros(half), torch.ones(half)])
    for _ in range(steps):
        rows = torch.cat([side[torch.randint(len(side), (half,), generator=rng)] for side in (fake, real)])
        loss = F.binary_cross_entropy_with_logits(network(moved(rolls[rows], drums, rng)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def judge(samples: Phrases, real: Phrases, options: argparse.Namespace) -> str:
    """Return the accuracy over folds by pieces, with its interval, in words."""
    rng = torch.Generator().manual_seed(options.seed)
    rolls = torch.cat([planes(samples), planes(real)])
    label = torch.cat([torch.zeros(len(samples)), torch.ones(len(real))])
    groups = [to_tensors(samples).groups, to_tensors(real).groups]
    fold = torch.cat([folds(group, rng) for group in groups])
    drums = torch.tensor(samples.drums).repeat(rolls.shape[1] // len(samples.drums))
    logits = torch.zeros(len(label))
    for held in range(FOLDS):
        train, test = (fold != held).nonzero()[:, 0], (fold == held).nonzero()[:, 0]
        for number in range(options.networks):
            network = fit(rolls, label, train, drums, options.epochs, 100 * options.seed + 10 * held + number)
            with torch.no_grad():
                found = torch.cat([network(rolls[part].float()) for part in test.split(100)])
            logits[test] += found / options.networks
    correct = ((logits > thresholds(logits, label, fold)) == (label > 0)).double()
    low, high = interval(correct, label, torch.cat([groups[0], groups[1] + int(groups[0].max()) + 1]), rng)
    return f"{balanced_accuracy(correct, label):.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("files", nargs="+", type=Path, help="npz of phrases, or the corpus itself: half its pieces")
    parser.add_argument("-n", "--number", type=int, default=500)
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus(options.corpus)
    everything = np.concatenate([corpus.indices(split) for split in ("train", "validation", "test")])
    for path in options.files:
        begin, numbers = time.process_time(), everything
        if str(path) == options.corpus:
            own, numbers = halves(corpus)
            samples = corpus_phrases(corpus, own).spread(options.number)
        else:
            samples = open_phrases(path, corpus, options.number)
        real = corpus_phrases(corpus, numbers).encoded(samples.encoding).spread(3200)
        found = judge(samples, real, options)
        print(f"{path}: {found}, {len(samples)} phrases, {time.process_time() - begin:.0f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
