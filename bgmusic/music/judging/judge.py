"""Learned judge: train an ensemble of networks to distinguish phrases from real music, and mark what gave them away.

A stronger form of the two-sample test (Lopez-Paz and Oquab, arXiv 1610.06545): dilated convolutions over steps
(van den Oord et al., "WaveNet", arXiv 1609.03499) see features in which pieces of music resemble each other (see
``judge_features``), transposed at random. No fold shares a piece between training and test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.errors import UserError
from bgmusic.music.judging.judge_features import MAX_SHIFT, Described, describe_all, transposed
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.judging.two_sample import FOLDS, MIN_PHRASES, balanced_accuracy, folds, interval
from bgmusic.music.rolls.phrases import Phrases

MAX_SAMPLES = 500
"""Most phrases that are judged."""
MAX_REAL = 3200
"""Most real phrases that they are compared with."""
CHANNELS = 48
_BATCH, _LEAST_BATCHES = 50, 16
_DILATIONS = (1, 2, 4, 8)
_PLACES = 10
_PER_BEAT = 4  # positions that the convolutions see


@dataclass(frozen=True)
class Place:
    """The bar and track that gave a phrase away.

    Attributes:
        phrase: index of the phrase.
        bar: index of the bar.
        track: name of the track.
        logit: mean logit of the phrase; the lower, the less real.
        evidence: what each bar of each track contributes to the logit, by track; the bar and track above have the
            lowest.

    """

    phrase: int
    bar: int
    track: str
    logit: float
    evidence: tuple[tuple[float, ...], ...] = ()

    def __str__(self) -> str:
        return f"phrase {self.phrase + 1}, bar {self.bar + 1}, {self.track}"


@dataclass(frozen=True)
class Judged:
    """A judgement as plain values; see :class:`Judgement`.

    Attributes:
        accuracy: share of phrases classified correctly; 0.5 is best.
        low: lower end of its 95% confidence interval.
        high: its upper end.
        auc: area under the ROC curve; 0.5 is best.
        networks: number of networks that judged each phrase.
        places: what gave the least real phrases away, the least real first.

    """

    accuracy: float
    low: float
    high: float
    auc: float
    networks: int
    places: tuple[Place, ...]

    def __str__(self) -> str:
        interval = f"{self.low:.0%} to {self.high:.0%}"
        accuracy = f"judge: {self.accuracy:.0%} of phrases classified correctly ({interval}), AUC {self.auc:.2f}"
        if self.low <= 0.5:
            return f"{accuracy}; it cannot distinguish the phrases from real music"
        word = "easily" if self.accuracy > 0.9 else "often"
        places = "; ".join(map(str, self.places[:3]))
        return f"{accuracy}; it {word} distinguishes the phrases from real music; least real: {places}"


@dataclass(frozen=True, eq=False)
class Judgement:
    """The result of :func:`judge`.

    Attributes:
        accuracy: share of phrases classified correctly, both classes with the same weight; 0.5 is best.
        low: lower end of the accuracy's 95% confidence interval (bootstrap over pieces).
        high: its upper end.
        auc: probability that a real phrase looks more real than a generated one; 0.5 is best.
        seeds: number of networks that judged each phrase.
        logits: float32 ``(n,)``, mean logit of each judged phrase; the higher, the more real.
        evidence: float32 ``(n, tracks, bars)``, contribution of each track and bar to the logit; the lowest values
            gave a phrase away.
        numbers: int64 ``(n,)``, indices of the judged phrases.

    """

    accuracy: float
    low: float
    high: float
    auc: float
    seeds: int
    logits: Tensor
    evidence: Tensor
    numbers: Tensor

    def summary(self, tracks: Sequence[str]) -> Judged:
        """Return the result as plain values, with the places that gave the least real phrases away.

        Args:
            tracks: names of the tracks.

        """
        places = []
        for row in self.logits.argsort()[:_PLACES].tolist():
            track, bar = divmod(int(self.evidence[row].argmin()), self.evidence.shape[2])
            by_track = tuple(tuple(contributions) for contributions in self.evidence[row].tolist())
            places.append(Place(int(self.numbers[row]), bar, tracks[track], float(self.logits[row]), by_track))
        return Judged(self.accuracy, self.low, self.high, self.auc, self.seeds, tuple(places))


class JudgeNetwork(nn.Module):
    """Classify phrases: embed the features of each step, then apply dilated convolutions.

    Args:
        described: phrases whose features the network shall read.
        resolution: steps per beat.

    """

    def __init__(self, described: Described, resolution: int) -> None:
        super().__init__()
        sizes = torch.tensor([feature.size for feature in described.features])
        self.offsets: Tensor
        self.register_buffer("offsets", sizes.cumsum(0) - sizes)
        self.table = nn.EmbeddingBag(int(sizes.sum()), CHANNELS, mode="sum")
        nn.init.normal_(self.table.weight, std=0.3 / len(sizes) ** 0.5)
        self.drums = nn.Linear(described.hits.shape[-1], CHANNELS, bias=False) if described.hits.shape[-1] else None
        self.stride = max(1, resolution // _PER_BEAT)
        self.join = nn.Conv1d(CHANNELS, CHANNELS, 2 * self.stride + 1, self.stride, padding=self.stride)
        self.blocks = nn.ModuleList(nn.Conv1d(CHANNELS, CHANNELS, 3, dilation=d, padding=d) for d in _DILATIONS)
        self.judge = nn.Conv1d(CHANNELS, 1, 1)
        self.dropout = nn.Dropout(0.3)

    def embed(self, codes: Tensor, hits: Tensor) -> Tensor:
        """Sum the embeddings of all features: float ``(n, time, channels)``."""
        bags = (codes + self.offsets).flatten(0, 1)
        total: Tensor = self.table(bags).view(*codes.shape[:2], CHANNELS)
        return total if self.drums is None else total + self.drums(hits.float())

    def judge_steps(self, embedded: Tensor) -> Tensor:
        """Map embedded phrases to logits of positions ``(n, positions)``; a phrase's logit is their sum."""
        x = self.dropout(F.leaky_relu(self.join(self.dropout(embedded.transpose(1, 2))), 0.1))
        for block in self.blocks:
            x = x + self.dropout(F.leaky_relu(block(x), 0.1))
        logits: Tensor = self.judge(x)[:, 0]
        return logits * (8 / logits.shape[1])

    def forward(self, codes: Tensor, hits: Tensor) -> Tensor:
        """Map phrases to logits ``(n,)``, positive for real ones."""
        return self.judge_steps(self.embed(codes, hits)).sum(1)


def judge(samples: Phrases, real: Sequence[Phrases], seed: int = 0, seeds: int = 3, epochs: int = 6) -> Judgement:
    """Judge ``samples`` against real phrases by five-fold cross-validation over pieces.

    Each phrase is judged by networks that saw no phrase of its piece. Of more than 500 samples or 3,200 real phrases,
    evenly spread ones are used, so that time and memory stay bounded.

    Args:
        samples: ten phrases or more, of two or more pieces.
        real: batches of real phrases, such as training and held-out ones, in the same encoding.
        seed: seed of the folds, the networks and the bootstrap.
        seeds: number of networks for each fold.
        epochs: passes over the samples; fewer than 500 are passed over more often, for as many updates.

    Raises:
        UserError: the tracks, resolutions or shapes differ, or a side has fewer than ten phrases or two pieces.
        ValueError: the encodings differ.

    """
    sides, numbers = _sides(samples, real)
    described = describe_all(sides)
    groups = [to_tensors(side).groups for side in sides]
    real_group = _separate(groups[1:])
    for group, name in ((groups[0], "samples"), (real_group, "real music")):
        if len(group) < MIN_PHRASES or not group.any():
            raise UserError(f"too few {name}: {len(group)} phrases; {MIN_PHRASES} of two pieces are needed")
    rng = torch.Generator().manual_seed(seed)
    fake = len(groups[0])
    label = torch.cat([torch.zeros(fake), torch.ones(len(real_group))])
    fold = torch.cat([folds(groups[0], rng), folds(real_group, rng)])
    logits = torch.zeros(len(label))
    evidence = torch.zeros(fake, *samples.cells.shape[1:3])
    for held in range(FOLDS):
        train, test = (fold != held).nonzero().flatten(), (fold == held).nonzero().flatten()
        generated = test[test < fake]
        for _ in range(seeds):
            network = _fit(described, label, train, samples.resolution, epochs, rng)
            with torch.no_grad():
                logits[test] += torch.cat([network(*_batch(described, part)) for part in test.split(200)]) / seeds
            evidence[generated] += _evidence(network, described, generated, samples.cells.shape[1:3]) / seeds
    correct = ((logits > _thresholds(logits, label, fold)) == (label > 0)).double()
    low, high = interval(correct, label, _separate([groups[0], real_group]), rng)
    accuracy = balanced_accuracy(correct, label)
    return Judgement(accuracy, low, high, _auc(logits, label), seeds, logits[:fake], evidence, numbers)


def _sides(samples: Phrases, real: Sequence[Phrases]) -> tuple[list[Phrases], Tensor]:
    """Check the phrases and limit their number; also return the numbers of the samples that are left."""
    total = sum(len(side) for side in real)
    numbers = torch.linspace(0, len(samples) - 1, min(len(samples), MAX_SAMPLES), dtype=torch.float64).long()
    sides = [samples[numbers.numpy()]]
    for side in real:
        samples.require_like(side, "the real phrases")
        if side.encoding != samples.encoding:
            raise ValueError(f"phrases must have one encoding, not {samples.encoding} and {side.encoding}")
        sides.append(side.spread(max(1, len(side) * MAX_REAL // max(total, MAX_REAL))))
    return sides, numbers


def _separate(groups: Sequence[Tensor]) -> Tensor:
    """Number the pieces of several batches from 0, each batch after the one before."""
    starts = torch.tensor([0, *(int(group.max()) + 1 for group in groups[:-1])]).cumsum(0)
    return torch.cat([group + start for group, start in zip(groups, starts, strict=True)])


def _batch(described: Described, rows: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Return codes and drum hits of phrases, transposed at random if ``rng`` is given."""
    codes = described.codes[rows].long()
    shift = torch.zeros(len(rows), dtype=torch.int64)
    if rng is not None:
        shift = torch.randint(-MAX_SHIFT, MAX_SHIFT + 1, (len(rows),), generator=rng)
    return transposed(codes, described.features, shift), described.hits[rows]


def _fit(
    described: Described, label: Tensor, train: Tensor, resolution: int, epochs: int, rng: torch.Generator
) -> JudgeNetwork:
    """Train a network; each batch holds as many real phrases as generated ones.

    An epoch has 16 batches or more: few samples must be seen more often before a network distinguishes them at all.
    """
    fake, real = train[label[train] == 0], train[label[train] == 1]
    half = max(1, min(_BATCH // 2, len(fake)))
    batches = max(_LEAST_BATCHES, len(fake) // half)
    passes = -(-batches * half // len(fake))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        network = JudgeNetwork(described, resolution)
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * batches + 1)
        target = torch.cat([torch.zeros(half), torch.ones(half)])
        stream = torch.empty(0, dtype=torch.int64)
        for _ in range(epochs):
            order = torch.cat([torch.randperm(len(fake), generator=rng) for _ in range(passes)])
            for chosen in fake[order][: batches * half].split(half):
                while len(stream) < half:
                    stream = torch.cat([stream, real[torch.randperm(len(real), generator=rng)]])
                rows, stream = torch.cat([chosen, stream[:half]]), stream[half:]
                loss = F.binary_cross_entropy_with_logits(network(*_batch(described, rows, rng)), target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        return network.eval().requires_grad_(False)


def _evidence(network: JudgeNetwork, described: Described, rows: Tensor, shape: Sequence[int]) -> Tensor:
    """Return what each track and bar adds to the logit: gradient times input, relative to the mean input.

    What a feature of several tracks adds is shared between them.

    Returns:
        float32 ``(n, tracks, bars)``.

    """
    tracks, bars = shape
    share = torch.zeros(len(described.features), tracks)
    for number, feature in enumerate(described.features):
        share[number, list(feature.tracks)] = 1 / len(feature.tracks)
    pitches = described.hits.shape[-1] // max(1, len(described.drums))
    found = []
    for part in rows.split(25):
        codes, hits = _batch(described, part)
        embedded = network.embed(codes, hits).requires_grad_()
        (slope,) = torch.autograd.grad(network.judge_steps(embedded).sum(), embedded)
        each = F.embedding(codes + network.offsets, network.table.weight)
        added = torch.einsum("ntfc,ntc->ntf", each - each.mean((0, 1)), slope) @ share
        if network.drums is not None:
            weights = hits.float() - hits.float().mean((0, 1))
            drummed = (weights * (slope @ network.drums.weight)).unflatten(-1, (len(described.drums), pitches))
            added[..., list(described.drums)] += drummed.sum(-1)
        found.append(added.unflatten(1, (bars, -1)).sum(2).transpose(1, 2))
    return torch.cat(found)


def _thresholds(logits: Tensor, label: Tensor, fold: Tensor) -> Tensor:
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


def _auc(logits: Tensor, label: Tensor) -> float:
    """Return the area under the ROC curve, from mean ranks (ties count half)."""
    _, place, counts = logits.unique(return_inverse=True, return_counts=True)
    rank = (counts.cumsum(0) - (counts - 1) / 2)[place].double()
    real, fake = int((label > 0).sum()), int((label == 0).sum())
    return float((rank[label > 0].sum() - real * (real + 1) / 2) / (real * fake))
