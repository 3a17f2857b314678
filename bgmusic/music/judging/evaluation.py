"""Compare generated phrases with held-out pieces, next to the same comparison for the training set (the floor)."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.judging.copying import known_bars, notes_in_common
from bgmusic.music.judging.metrics.distributions import deviation, distance, overlap
from bgmusic.music.judging.metrics.statistics import Statistic, statistics
from bgmusic.music.judging.results import Copying, Distance, Evaluation, Row
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.judging.two_sample import MIN_PHRASES, two_sample
from bgmusic.music.rolls.phrases import Phrases

MAX_JUDGED = 400
"""Most phrases of a side in the two-sample test and in the search for copies."""
_RESAMPLES = 200  # of the bootstrap
_COPY = 0.8  # share of notes in common from which a phrase is a copy


def evaluate(samples: Phrases, held_out: Phrases, training: Phrases, seed: int = 0) -> Evaluation:
    """Compare ``samples`` with ``held_out`` phrases, and ``training`` phrases with the same (the floor).

    Held-out and training phrases are converted to the encoding of the samples. The floor uses as many training phrases
    as there are samples, evenly spread; copies are searched for in all training phrases.

    Args:
        samples: the phrases to evaluate.
        held_out: phrases of pieces that no training used, of the same tracks, resolution and shape.
        training: training phrases, of the same tracks, resolution and shape.
        seed: seed of the two-sample test and the bootstrap.

    Raises:
        UserError: the tracks, resolutions or shapes differ, or a side has fewer than ten phrases or two pieces.

    """
    compared = _compare(samples, held_out, training)
    rng = torch.Generator().manual_seed(seed)
    columns = (compared.samples, compared.held_out, compared.floor)
    rows = [_row(*row) for row in zip(*(side.statistics for side in columns), compared.scales, strict=True)]
    sampled, real, usual = (side.phrases for side in columns)
    judged = real.spread(MAX_JUDGED)
    return Evaluation(
        phrases=len(samples),
        held_out=len(held_out),
        rows=tuple(sorted(rows, key=lambda row: not row.core)),
        distance=_mean_distance(compared.samples, compared.held_out, compared.scales, rng),
        floor=_mean_distance(compared.floor, compared.held_out, compared.scales, rng),
        two_sample=two_sample(sampled.spread(MAX_JUDGED), judged, seed),
        floor_two_sample=two_sample(usual.spread(MAX_JUDGED), judged, seed),
        copying=_copying(sampled, compared.training),
        held_out_copying=_copying(real, compared.training),
    )


def nearness(samples: Phrases, held_out: Phrases, training: Phrases, seed: int = 0) -> tuple[Distance, Distance]:
    """Return the mean distance of ``samples`` to held-out phrases, and the floor, as :func:`evaluate` does.

    Faster than :func:`evaluate`, which adds the two-sample test and the search for copies.

    Raises:
        UserError: see :func:`evaluate`.

    """
    compared = _compare(samples, held_out, training)
    rng = torch.Generator().manual_seed(seed)
    mean = _mean_distance(compared.samples, compared.held_out, compared.scales, rng)
    return mean, _mean_distance(compared.floor, compared.held_out, compared.scales, rng)


def has_enough(phrases: Phrases) -> bool:
    """Return whether phrases can be compared: ten or more, of two or more pieces."""
    return len(phrases) >= MIN_PHRASES and int(phrases.groups.max()) >= 1


@dataclass(frozen=True, eq=False)
class _Side:
    """Phrases and their statistics."""

    phrases: Phrases
    statistics: tuple[Statistic, ...]


@dataclass(frozen=True, eq=False)
class _Compared:
    """The three sides in one encoding, all training phrases, and the data's deviation for each part."""

    samples: _Side
    held_out: _Side
    floor: _Side
    training: Phrases
    scales: list[list[float]]


def _compare(samples: Phrases, held_out: Phrases, training: Phrases) -> _Compared:
    """Check the sides, convert them to the encoding of the samples, and compute their statistics."""
    samples.require_like(held_out, "the data")
    samples.require_like(training, "the training data")
    for phrases, name in ((samples, "samples"), (held_out, "held-out data"), (training, "training data")):
        if not has_enough(phrases):
            raise UserError(
                f"too few {name} to compare: {len(phrases)} phrases; {MIN_PHRASES} of two pieces are needed"
            )
    training = training.encoded(samples.encoding)
    sides = (samples, held_out.encoded(samples.encoding), training.spread(len(samples)))
    sampled, real, usual = (_Side(phrases, statistics(phrases)) for phrases in sides)
    scales = [
        [deviation(p, q) for p, q in zip(data.parts, floor.parts, strict=True)]
        for data, floor in zip(real.statistics, usual.statistics, strict=True)
    ]
    return _Compared(sampled, real, usual, training, scales)


def _row(samples: Statistic, data: Statistic, usual: Statistic, scale: list[float]) -> Row:
    # Parts that the held-out pieces never show, such as a track that rests in all of them, are left out.
    parts = [p for p in zip(samples.parts, data.parts, usual.parts, scale, strict=True) if p[1]]
    return Row(
        name=samples.name,
        core=samples.core,
        samples=_mean([p.mean() for p, _, _, _ in parts if p]),
        data=_mean([q.mean() for _, q, _, _ in parts]),
        distance=_mean([float(distance(p, q, s)) for p, q, _, s in parts]),
        floor=_mean([float(distance(r, q, s)) for _, q, r, s in parts]),
        overlap=_mean([overlap(p, q) for p, q, _, _ in parts]),
        floor_overlap=_mean([overlap(r, q) for _, q, r, _ in parts]),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else nan


def _mean_distance(samples: _Side, data: _Side, scales: list[list[float]], rng: torch.Generator) -> Distance:
    """Return the mean over the core statistics, with an interval from resampling the pieces of both sides.

    Resampling adds noise to a distance, which is never negative and so grows: the interval is shifted back by as much.
    """
    weights = [
        torch.cat([torch.ones(1, len(side.phrases)), _resample(to_tensors(side.phrases).groups, rng)]).double()
        for side in (samples, data)
    ]
    means = []
    for sampled, real, scale in zip(samples.statistics, data.statistics, scales, strict=True):
        parts = [p for p in zip(sampled.parts, real.parts, scale, strict=True) if p[1]]
        if sampled.core and parts:
            means.append(torch.stack([distance(p, q, s, *weights) for p, q, s in parts]).mean(0))
    total = torch.stack(means).mean(0)
    mean, drawn = float(total[0]), total[1:]
    spread = drawn.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)) - drawn.mean()
    return Distance(mean, max(0.0, mean + float(spread[0])), mean + float(spread[1]))


def _resample(groups: Tensor, rng: torch.Generator) -> Tensor:
    """Draw pieces with replacement and return how often each phrase counts: ``(resamples, phrases)``."""
    pieces = int(groups.max()) + 1
    draws = torch.randint(pieces, (_RESAMPLES, pieces), generator=rng)
    return torch.zeros(_RESAMPLES, pieces).scatter_add_(1, draws, torch.ones(_RESAMPLES, pieces))[:, groups]


def _copying(phrases: Phrases, training: Phrases) -> Copying:
    judged = phrases.spread(MAX_JUDGED)
    common = notes_in_common(judged, training)
    low, middle, high = common.quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
    return Copying((low, middle, high), float((common >= _COPY).float().mean()), known_bars(phrases, training))
