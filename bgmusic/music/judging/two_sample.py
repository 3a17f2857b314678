"""Classifier two-sample test: train a small network to distinguish generated phrases from real ones.

Source: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", arXiv 1610.06545. An accuracy of one half is
best: the network finds no difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.errors import UserError
from bgmusic.gan.distances import precision_recall
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.plurals import count_of

FEATURES = 64
MIN_PHRASES = 10
"""Fewest phrases of a side that can be compared."""
_NEIGHBOURS = 5
FOLDS = 5
_EPOCHS = 12
_BATCH = 32
_RESAMPLES = 1000  # of the bootstrap


class PhraseClassifier(nn.Module):
    """Classify phrases as real or generated: a convolution over each beat, then one over four beats.

    Args:
        channels: tracks of the input, twice as many with onsets.
        pitches: rows of the input.
        resolution: steps a beat.

    """

    def __init__(self, channels: int, pitches: int, resolution: int) -> None:
        super().__init__()
        self.beat = nn.Conv1d(channels * pitches, FEATURES, resolution, resolution)
        self.bar = nn.Conv1d(FEATURES, FEATURES // 2, 4, padding=3)
        self.judge = nn.Linear(FEATURES, 1)
        self.dropout = nn.Dropout(0.3)

    def features(self, rolls: Tensor) -> Tensor:
        """Map rolls to features ``(n, 64)``: mean and maximum over time.

        Rolls are float ``(n, channels, bars, steps, pitches)``.
        """
        time = rolls.flatten(2, 3).permute(0, 1, 3, 2).flatten(1, 2)
        time = F.pad(time, (0, -time.shape[-1] % self.beat.stride[0]))
        beats = F.leaky_relu(self.beat(time), 0.2)
        bars = F.leaky_relu(self.bar(self.dropout(beats)), 0.2)
        return torch.cat([bars.mean(-1), bars.amax(-1)], dim=1)

    def forward(self, rolls: Tensor) -> Tensor:
        """Map rolls to logits ``(n,)``, positive for real phrases."""
        logits: Tensor = self.judge(self.dropout(self.features(rolls))).squeeze(1)
        return logits


@dataclass(frozen=True)
class TwoSample:
    """The result of a two-sample test.

    Attributes:
        accuracy: 0.5 to 1 (less by chance), 0.5 is best.
        low: lower end of the accuracy's 95% confidence interval (bootstrap over pieces).
        high: its upper end.
        precision: share of the phrases that look real, 0 to 1, 1 is best; NaN for fewer than about 30 phrases, when no
            fold has enough neighbours.
        recall: share of real phrases that the phrases cover, 0 to 1, 1 is best; NaN as above.

    """

    accuracy: float
    low: float
    high: float
    precision: float
    recall: float


def two_sample(samples: Phrases, data: Phrases, seed: int = 0) -> TwoSample:
    """Test ``samples`` against ``data`` by five-fold cross-validation.

    No two folds share a piece. Both classes have the same weight, whatever their numbers of phrases. Precision and
    recall (``precision_recall``) are computed on the features of held-out phrases.

    Args:
        samples: ten phrases or more, of two or more pieces.
        data: the same of real phrases, in the same encoding.
        seed: seed of the folds, the networks and the bootstrap.

    Raises:
        UserError: the tracks, resolutions or shapes differ, or a side has fewer than ten phrases or two pieces.
        ValueError: the encodings differ.

    """
    samples.require_like(data, "the data")
    if samples.encoding != data.encoding:
        raise ValueError(f"phrases must have one encoding, not {samples.encoding} and {data.encoding}")
    sides = to_tensors(samples), to_tensors(data)
    for side, name in zip(sides, ("samples", "data"), strict=True):
        if len(side.cells) < MIN_PHRASES or not side.groups.any():
            few = count_of(len(side.cells), "phrase")
            raise UserError(f"too few {name}: {few}; {MIN_PHRASES} of two pieces are needed")
    rng = torch.Generator().manual_seed(seed)
    rolls = torch.cat([side.channels for side in sides])
    label = torch.cat([torch.zeros(len(samples)), torch.ones(len(data))])
    group = torch.cat([sides[0].groups, sides[1].groups + len(samples)])
    fold = torch.cat([folds(side.groups, rng) for side in sides])
    logits = torch.zeros(len(rolls))
    scores = []
    for held in range(FOLDS):
        train, test = (fold != held).nonzero().flatten(), (fold == held).nonzero().flatten()
        network = _fit(rolls, label, train, samples.resolution, rng)
        with torch.no_grad():
            logits[test] = torch.cat([network(rolls[part].float()) for part in test.split(100)])
            features = torch.cat([network.features(rolls[part].float()) for part in test.split(100)])
        fake, real = features[label[test] == 0], features[label[test] == 1]
        if min(len(fake), len(real)) > _NEIGHBOURS:
            scores.append(precision_recall(fake, real, _NEIGHBOURS))
    correct = ((logits > 0) == (label > 0)).double()
    low, high = interval(correct, label, group, rng)
    means = torch.tensor(scores).mean(0).tolist() if scores else [float("nan")] * 2
    return TwoSample(balanced_accuracy(correct, label), low, high, *means)


def folds(groups: Tensor, rng: torch.Generator) -> Tensor:
    """Assign a fold to each phrase: whole pieces, the largest first, each to the smallest fold."""
    sizes = torch.bincount(groups)
    order = sizes + torch.rand(len(sizes), generator=rng)  # ties in random order
    filled, of_group = [0] * FOLDS, torch.zeros(len(sizes), dtype=torch.long)
    for group in order.argsort(descending=True).tolist():
        fold = filled.index(min(filled))
        of_group[group] = fold
        filled[fold] += int(sizes[group])
    return of_group[groups]


def _fit(rolls: Tensor, label: Tensor, train: Tensor, resolution: int, rng: torch.Generator) -> PhraseClassifier:
    """Train a network on the phrases ``train``, with equal weight of both classes in the loss."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        network = PhraseClassifier(rolls.shape[1], rolls.shape[-1], resolution)
        share = label[train].mean()
        weight = torch.where(label > 0, 0.5 / share, 0.5 / (1 - share))
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.1)
        for _ in range(_EPOCHS):
            for rows in train[torch.randperm(len(train), generator=rng)].split(_BATCH):
                loss = F.binary_cross_entropy_with_logits(network(rolls[rows].float()), label[rows], weight[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return network.eval().requires_grad_(False)


def balanced_accuracy(correct: Tensor, label: Tensor) -> float:
    """Return the mean of both classes' accuracies; ``correct`` and ``label`` are ``(n,)``."""
    return float((correct[label == 0].mean() + correct[label == 1].mean()) / 2)


def interval(correct: Tensor, label: Tensor, group: Tensor, rng: torch.Generator) -> tuple[float, float]:
    """Return the accuracy's 95% interval from a bootstrap over the pieces of each class."""
    total = torch.zeros(_RESAMPLES, dtype=torch.float64)
    for value in (0, 1):
        chosen = label == value
        groups = group[chosen].unique(return_inverse=True)[1]
        sizes = torch.bincount(groups).double()
        hits = torch.bincount(groups, weights=correct[chosen])
        draws = torch.randint(len(sizes), (_RESAMPLES, len(sizes)), generator=rng)
        total += hits[draws].sum(1) / sizes[draws].sum(1) / 2
    low, high = total.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


def thresholds(logits: Tensor, label: Tensor, fold: Tensor) -> Tensor:
    """Return for each phrase the threshold that is best in the other folds: float32 ``(n,)``.

    Networks that learn few phrases by heart find other phrases of the same generator too real, by a constant.
    """
    found = torch.zeros_like(logits)
    for held in range(FOLDS):
        others = fold != held
        values, order = logits[others].sort()
        real = label[others][order]
        below = (1 - real).cumsum(0) / (1 - real).sum() - real.cumsum(0) / real.sum()
        best = int(below[:-1].argmax())
        found[fold == held] = (values[best] + values[best + 1]) / 2
    return found
