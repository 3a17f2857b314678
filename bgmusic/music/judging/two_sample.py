"""A classifier two-sample test: can a small network tell generated phrases from real ones?

Source: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", arXiv 1610.06545. Right in half of the cases
is the aim: then nothing that the network can learn sets the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.gan.distances import precision_recall
from bgmusic.music.rolls.phrases import Phrases

FEATURES = 64
_NEIGHBOUR = 5
_FOLDS = 5
_EPOCHS = 12
_BATCH = 32
_ROUNDS = 1000  # of the bootstrap


class Eye(nn.Module):
    """A small network that looks at phrases beat by beat, then at four beats in a row.

    Takes float ``(n, tracks or channels, bars, steps, pitches)``; each beat sees all its cells, and how often each
    pitch sounds in it. ``features`` ``(n, 64)`` are the mean and the maximum over time, ``forward`` gives logits
    ``(n,)``.
    """

    def __init__(self, channels: int, pitches: int, resolution: int) -> None:
        super().__init__()
        self.beat = nn.Conv1d(channels * pitches, FEATURES, resolution, resolution)
        self.bar = nn.Conv1d(FEATURES, FEATURES // 2, 4, padding=3)
        self.judge = nn.Linear(FEATURES, 1)
        self.dropout = nn.Dropout(0.3)

    def features(self, rolls: Tensor) -> Tensor:
        """Features ``(n, 64)``."""
        time = rolls.flatten(2, 3).permute(0, 1, 3, 2).flatten(1, 2)
        time = F.pad(time, (0, -time.shape[-1] % self.beat.stride[0]))
        beats = F.leaky_relu(self.beat(time), 0.2)
        bars = F.leaky_relu(self.bar(self.dropout(beats)), 0.2)
        return torch.cat([bars.mean(-1), bars.amax(-1)], dim=1)

    def forward(self, rolls: Tensor) -> Tensor:
        """Logits ``(n,)``: positive for real."""
        logits: Tensor = self.judge(self.dropout(self.features(rolls))).squeeze(1)
        return logits


@dataclass(frozen=True)
class TwoSample:
    """What the test says of some phrases; ``accuracy`` 0.5 to 1 (less by chance), 0.5 is best.

    ``low`` and ``high`` enclose the accuracy with 95% confidence (a bootstrap over pieces). ``precision`` is the share
    of the phrases that look real, ``recall`` the share of real phrases that these cover, 0 to 1, 1 is best; NaN for
    fewer than 30 phrases, of which no fold has neighbours enough.
    """

    accuracy: float
    low: float
    high: float
    precision: float
    recall: float


def two_sample(samples: Phrases, data: Phrases, seed: int = 0) -> TwoSample:
    """Test ``samples`` against ``data``, phrases of one form and encoding, ten at least of each.

    Cross-validated with five folds, none of which shares a piece with another; each class counts as much as the
    other, however many phrases it has. Precision and recall (``precision_recall``) are over the features of the
    phrases that a network has not seen in its training.
    """
    rng = torch.Generator().manual_seed(seed)
    rolls = torch.cat([_channels(samples), _channels(data)])
    label = torch.cat([torch.zeros(len(samples)), torch.ones(len(data))])
    group = torch.cat([samples.groups, data.groups + len(samples)])
    fold = torch.cat([_folds(part.groups, rng) for part in (samples, data)])
    logits = torch.zeros(len(rolls))
    scores = []
    for held in range(_FOLDS):
        train, test = (fold != held).nonzero().flatten(), (fold == held).nonzero().flatten()
        eye = _fit(rolls, label, train, samples.resolution, rng)
        with torch.no_grad():
            logits[test] = torch.cat([eye(rolls[part].float()) for part in test.split(100)])
            features = torch.cat([eye.features(rolls[part].float()) for part in test.split(100)])
        fake, real = features[label[test] == 0], features[label[test] == 1]
        if min(len(fake), len(real)) > _NEIGHBOUR:
            scores.append(precision_recall(fake, real, _NEIGHBOUR))
    right = ((logits > 0) == (label > 0)).double()
    low, high = _interval(right, label, group, rng)
    means = torch.tensor(scores).mean(0).tolist() if scores else [float("nan")] * 2
    return TwoSample(_balanced(right, label), low, high, *means)


def _channels(phrases: Phrases) -> Tensor:
    return phrases.cells if phrases.onsets is None else torch.cat([phrases.cells, phrases.onsets], dim=1)


def _folds(groups: Tensor, rng: torch.Generator) -> Tensor:
    """A fold for every phrase, whole pieces each, the largest first and always to the smallest fold."""
    sizes = torch.bincount(groups)
    order = sizes + torch.rand(len(sizes), generator=rng)  # equals in random order
    filled, of_group = [0] * _FOLDS, torch.zeros(len(sizes), dtype=torch.long)
    for group in order.argsort(descending=True).tolist():
        fold = filled.index(min(filled))
        of_group[group] = fold
        filled[fold] += int(sizes[group])
    return of_group[groups]


def _fit(rolls: Tensor, label: Tensor, train: Tensor, resolution: int, rng: torch.Generator) -> Eye:
    """A network trained on some of the phrases, as many of one class as of the other in the loss."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        eye = Eye(rolls.shape[1], rolls.shape[-1], resolution)
        share = label[train].mean()
        weight = torch.where(label > 0, 0.5 / share, 0.5 / (1 - share))
        optimizer = torch.optim.AdamW(eye.parameters(), lr=1e-3, weight_decay=0.1)
        for _ in range(_EPOCHS):
            for rows in train[torch.randperm(len(train), generator=rng)].split(_BATCH):
                loss = F.binary_cross_entropy_with_logits(eye(rolls[rows].float()), label[rows], weight[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return eye.eval().requires_grad_(False)


def _balanced(right: Tensor, label: Tensor) -> float:
    return float((right[label == 0].mean() + right[label == 1].mean()) / 2)


def _interval(right: Tensor, label: Tensor, group: Tensor, rng: torch.Generator) -> tuple[float, float]:
    """The middle 95% of the accuracy when pieces are drawn with replacement, class by class."""
    total = torch.zeros(_ROUNDS, dtype=torch.float64)
    for value in (0, 1):
        of = label == value
        groups = group[of].unique(return_inverse=True)[1]
        sizes = torch.bincount(groups).double()
        hits = torch.bincount(groups, weights=right[of])
        draws = torch.randint(len(sizes), (_ROUNDS, len(sizes)), generator=rng)
        total += hits[draws].sum(1) / sizes[draws].sum(1) / 2
    low, high = total.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
