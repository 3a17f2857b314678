"""Learned judge: train an ensemble of networks to distinguish phrases from real music, and mark what gave them away.

A stronger form of the two-sample test (Lopez-Paz and Oquab, arXiv 1610.06545): dilated convolutions over steps (see
``judge_network``) see features in which pieces of music resemble each other (see ``judge_features``), transposed at
random. No fold shares a piece between training and test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.judging.judge_features import describe_all
from bgmusic.music.judging.judge_network import batch, evidence_of, fit
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.judging.two_sample import FOLDS, MIN_PHRASES, balanced_accuracy, folds, interval, thresholds
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.training.threads import one_thread

MAX_SAMPLES = 500
"""Most phrases that are judged."""
MAX_REAL = 3200
"""Most real phrases that they are compared with."""
_PLACES = 10


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


def judge(
    samples: Phrases, real: Sequence[Phrases], seed: int = 0, seeds: int = 3, epochs: int = 6, *, derived: bool = False
) -> Judgement:
    """Judge ``samples`` against real phrases by five-fold cross-validation over pieces.

    Each phrase is judged by networks that saw no phrase of its piece. Of more than 500 samples or 3,200 real phrases,
    evenly spread ones are used, so that time and memory stay bounded.

    Args:
        samples: ten phrases or more, of two or more pieces.
        real: batches of real phrases, such as training and held-out ones, in the same encoding.
        seed: seed of the folds, the networks and the bootstrap.
        seeds: number of networks for each fold.
        epochs: passes over the samples; fewer than 500 are passed over more often, for as many updates.
        derived: whether samples were made from real phrases, such as under their plans or to their melodies. Then
            ``samples.pieces`` are numbers of ``real`` pieces. A fold holds all phrases of a piece, of both sides, and
            accuracy and AUC count no real phrases but those of the samples' pieces. So a network that knows plans or
            melodies alone is right in half of the cases.

    Raises:
        UserError: the tracks, resolutions or shapes differ, or a side has fewer than ten phrases or two pieces.
        ValueError: the encodings differ; or, where ``derived``, pieces are missing, or ``real`` has none of a sample's.

    """
    sides, numbers = _sides(samples, real)
    described = describe_all(sides)
    fake_group, real_group = _pieces(sides, derived)
    for group, name in ((fake_group, "samples"), (real_group, "real music")):
        if len(group) < MIN_PHRASES or len(group.unique()) < 2:
            raise UserError(f"too few {name}: {len(group)} phrases; {MIN_PHRASES} of two pieces are needed")
    rng = torch.Generator().manual_seed(seed)
    fake, group = len(fake_group), torch.cat([fake_group, real_group])
    label = torch.cat([torch.zeros(fake), torch.ones(len(real_group))])
    parts = [group] if derived else [fake_group, real_group - real_group.min()]
    fold = torch.cat([folds(part, rng) for part in parts])
    logits = torch.zeros(len(label))
    evidence = torch.zeros(fake, *samples.cells.shape[1:3])
    for held, networks in enumerate(torch.randint(2**31, (FOLDS, seeds), generator=rng).tolist()):
        train, test = (fold != held).nonzero().flatten(), (fold == held).nonzero().flatten()
        generated = test[test < fake]
        for each in networks:
            with one_thread():
                network = fit(described, label, train, samples.resolution, epochs, each)
                with torch.no_grad():
                    logits[test] += torch.cat([network(*batch(described, part)) for part in test.split(200)]) / seeds
                evidence[generated] += evidence_of(network, described, generated, samples.cells.shape[1:3]) / seeds
    counted = torch.isin(group, fake_group) if derived else torch.ones(len(label), dtype=torch.bool)
    judged, label, fold = logits[counted], label[counted], fold[counted]
    correct = ((judged > thresholds(judged, label, fold)) == (label > 0)).double()
    low, high = interval(correct, label, group[counted], rng)
    accuracy = balanced_accuracy(correct, label)
    return Judgement(accuracy, low, high, _auc(judged, label), seeds, logits[:fake], evidence, numbers)


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


def _pieces(sides: Sequence[Phrases], derived: bool) -> tuple[Tensor, Tensor]:
    """Return the piece of each sample, and of each real phrase, all numbered from 0 without gaps."""
    if derived:
        known = [side.pieces for side in sides if side.pieces is not None]
        if len(known) < len(sides):
            raise ValueError("samples that were made from real phrases need pieces, as real phrases do")
        joint = torch.from_numpy(np.concatenate(known)).unique(return_inverse=True)[1]
        if not torch.isin(joint[: len(sides[0])], joint[len(sides[0]) :]).all():
            raise ValueError("samples that were made from real phrases need these among the real ones")
    else:
        groups = [to_tensors(side).groups for side in sides]
        starts = torch.tensor([0, *(int(group.max()) + 1 for group in groups[:-1])]).cumsum(0)
        joint = torch.cat([group + start for group, start in zip(groups, starts, strict=True)])
    return joint[: len(sides[0])], joint[len(sides[0]) :]


def _auc(logits: Tensor, label: Tensor) -> float:
    """Return the area under the ROC curve, from mean ranks (ties count half)."""
    _, place, counts = logits.unique(return_inverse=True, return_counts=True)
    rank = (counts.cumsum(0) - (counts - 1) / 2)[place].double()
    real, fake = int((label > 0).sum()), int((label == 0).sum())
    return float((rank[label > 0].sum() - real * (real + 1) / 2) / (real * fake))
