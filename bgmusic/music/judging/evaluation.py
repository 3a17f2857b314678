"""How near generated phrases are to held-out pieces, beside how near the training set is to them (the floor)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any

import torch
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.judging.copying import known_bars, notes_in_common
from bgmusic.music.judging.metrics.statistics import Statistic, deviation, distance, overlap, statistics
from bgmusic.music.judging.two_sample import TwoSample, two_sample
from bgmusic.music.rolls.phrases import Phrases

FEWEST = 10  # phrases of a side, for anything to be said
_MOST_JUDGED = 400  # phrases of a side that the two-sample test takes
_ROUNDS = 200  # of the bootstrap
_COPY = 0.8  # of the notes in common with a training phrase


@dataclass(frozen=True)
class Row:
    """One statistic: means of the samples and of the data, distance and overlapped area of the two, and the floor's.

    ``core`` statistics make up the mean distance. Statistics of tracks are means over them.
    """

    name: str
    core: bool
    samples: float
    data: float
    distance: float
    floor: float
    overlap: float
    floor_overlap: float


@dataclass(frozen=True)
class Distance:
    """The mean distance over the core statistics, with a 95% confidence interval (a bootstrap over pieces)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Copying:
    """What is known from training: quantiles (10%, 50%, 90%) over phrases of the share of notes in common with the
    nearest training phrase, up to transposition; the share of phrases with 80% or more; the share of known bars.
    """

    common: tuple[float, float, float]
    copies: float
    known_bars: float


@dataclass(frozen=True)
class Evaluation:
    """All that is told of some phrases, beside the same of training phrases (``floor``) or held-out ones."""

    phrases: int
    held_out: int
    rows: tuple[Row, ...]
    distance: Distance
    floor: Distance
    two_sample: TwoSample
    floor_two_sample: TwoSample
    copying: Copying
    held_out_copying: Copying

    def verdict(self) -> list[str]:
        """What the figures say, in words: a line each."""
        return [_near(self), _told_apart(self), _copied(self)]

    def as_dict(self) -> dict[str, Any]:
        """Everything by name, ready for JSON; what has no value is None."""
        values = asdict(self) | {"verdict": self.verdict()}
        plain: dict[str, Any] = _without_nan(values)
        return plain


def evaluate(samples: Phrases, held_out: Phrases, training: Phrases, seed: int = 0) -> Evaluation:
    """Compare ``samples`` with ``held_out`` phrases, and ``training`` phrases with these: the floor.

    The data are read in the samples' encoding. The floor is of as many training phrases as there are samples, evenly
    spread; copies are looked for among all that are given. ``seed`` decides what the two-sample test and the bootstrap
    draw.

    Raises:
        UserError: the forms differ, or a side has fewer than ten phrases or two pieces.

    """
    held_out, training, like, found, data, usual, scales = _compared(samples, held_out, training)
    rng = torch.Generator().manual_seed(seed)
    rows = [_row(*of) for of in zip(found, data, usual, scales, strict=True)]
    judged = held_out.spread(_MOST_JUDGED)
    return Evaluation(
        phrases=len(samples),
        held_out=len(held_out),
        rows=tuple(sorted(rows, key=lambda row: not row.core)),
        distance=_mean_distance((samples, found), (held_out, data), scales, rng),
        floor=_mean_distance((like, usual), (held_out, data), scales, rng),
        two_sample=two_sample(samples.spread(_MOST_JUDGED), judged, seed),
        floor_two_sample=two_sample(like.spread(_MOST_JUDGED), judged, seed),
        copying=_copying(samples, training),
        held_out_copying=_copying(held_out, training),
    )


def nearness(samples: Phrases, held_out: Phrases, training: Phrases, seed: int = 0) -> tuple[Distance, Distance]:
    """The mean distance of ``samples`` to held-out phrases, and the floor: as :func:`evaluate` has them, alone.

    Raises:
        UserError: as :func:`evaluate`.

    """
    held_out, _, like, found, data, usual, scales = _compared(samples, held_out, training)
    rng = torch.Generator().manual_seed(seed)
    mine = _mean_distance((samples, found), (held_out, data), scales, rng)
    return mine, _mean_distance((like, usual), (held_out, data), scales, rng)


def enough(side: Phrases) -> bool:
    """Whether a side has phrases enough to be compared: ten, of two pieces."""
    return len(side) >= FEWEST and int(side.groups.max()) >= 1


Statistics = tuple[Statistic, ...]


def _compared(
    samples: Phrases, held_out: Phrases, training: Phrases
) -> tuple[Phrases, Phrases, Phrases, Statistics, Statistics, Statistics, list[list[float]]]:
    """Held-out and training phrases in the samples' encoding, as many of the latter; all statistics; deviations."""
    samples.require_like(held_out, "the data")
    for side, name in ((samples, "samples"), (held_out, "held-out data"), (training, "training data")):
        if not enough(side):
            raise UserError(f"too few {name} to compare: {len(side)} phrases; {FEWEST} of two pieces are needed")
    held_out, training = held_out.encoded(samples.encoding), training.encoded(samples.encoding)
    like = training.spread(len(samples))
    found, data, usual = statistics(samples), statistics(held_out), statistics(like)
    scales = [
        [deviation(p, q) for p, q in zip(s.parts, t.parts, strict=True)] for s, t in zip(data, usual, strict=True)
    ]
    return held_out, training, like, found, data, usual, scales


def _row(of: Statistic, data: Statistic, usual: Statistic, scale: list[float]) -> Row:
    # Of what the held-out pieces never show (a track that rests in all of them) nothing can be said.
    parts = [p for p in zip(of.parts, data.parts, usual.parts, scale, strict=True) if p[1]]
    return Row(
        name=of.name,
        core=of.core,
        samples=_mean([p.mean() for p, _, _, _ in parts if p]),
        data=_mean([q.mean() for _, q, _, _ in parts]),
        distance=_mean([float(distance(p, q, s)) for p, q, _, s in parts]),
        floor=_mean([float(distance(r, q, s)) for _, q, r, s in parts]),
        overlap=_mean([overlap(p, q) for p, q, _, _ in parts]),
        floor_overlap=_mean([overlap(r, q) for _, q, r, _ in parts]),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else nan


Side = tuple[Phrases, Statistics]


def _mean_distance(samples: Side, data: Side, scales: list[list[float]], rng: torch.Generator) -> Distance:
    """The mean over the core statistics, and an interval by resampling the pieces of both sides.

    Resampling adds its own noise to a distance, which never falls below 0: the interval is moved back by as much.
    """
    weights = [
        torch.cat([torch.ones(1, len(side)), _resampled(side.groups, rng)]).double() for side, _ in (samples, data)
    ]
    means = []
    for of, real, scale in zip(samples[1], data[1], scales, strict=True):
        parts = [p for p in zip(of.parts, real.parts, scale, strict=True) if p[1]]
        if of.core and parts:
            means.append(torch.stack([distance(p, q, s, *weights) for p, q, s in parts]).mean(0))
    total = torch.stack(means).mean(0)
    mean, drawn = float(total[0]), total[1:]
    spread = drawn.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)) - drawn.mean()
    return Distance(mean, max(0.0, mean + float(spread[0])), mean + float(spread[1]))


def _resampled(groups: Tensor, rng: torch.Generator) -> Tensor:
    """How often each phrase counts when pieces are drawn with replacement: ``(rounds, phrases)``."""
    pieces = int(groups.max()) + 1
    draws = torch.randint(pieces, (_ROUNDS, pieces), generator=rng)
    return torch.zeros(_ROUNDS, pieces).scatter_add_(1, draws, torch.ones(_ROUNDS, pieces))[:, groups]


def _copying(phrases: Phrases, training: Phrases) -> Copying:
    judged = phrases.spread(_MOST_JUDGED)
    common = notes_in_common(judged, training)
    low, middle, high = common.quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
    return Copying((low, middle, high), float((common >= _COPY).float().mean()), known_bars(phrases, training))


def _near(found: Evaluation) -> str:
    times = found.distance.mean / found.floor.mean if found.floor.mean else nan
    furthest = sorted((row for row in found.rows if row.core), key=lambda row: row.floor - row.distance)[:3]
    where = ", ".join(row.name for row in furthest)
    if times <= 1.5 or found.distance.low <= found.floor.high:
        return f"distance: {times:.1f} times the floor: as near to held-out pieces as the training set, or nearly"
    word = "near to" if times <= 3 else "some way from" if times <= 8 else "far from"
    return f"distance: {times:.1f} times the floor: {word} held-out pieces, most in {where}"


def _told_apart(found: Evaluation) -> str:
    test = found.two_sample
    share = f"a small network tells {test.accuracy:.0%} right ({test.low:.0%} to {test.high:.0%})"
    if test.low <= max(0.5, found.floor_two_sample.high):
        return f"two-sample test: {share}: it can't tell the phrases from held-out ones better than the training set's"
    word = "easily" if test.accuracy > 0.9 else "often"
    return f"two-sample test: {share}: it {word} tells the phrases from held-out ones"


def _copied(found: Evaluation) -> str:
    mine, usual = found.copying, found.held_out_copying
    share = (
        f"{mine.copies:.0%} of phrases have 80% of their notes from one training phrase (held-out: {usual.copies:.0%})"
    )
    bars = f"{mine.known_bars:.0%} of bars stand in the training set (held-out: {usual.known_bars:.0%})"
    copied = mine.copies > usual.copies + 0.1 or mine.known_bars > usual.known_bars + 0.25
    return f"copying: {share}, {bars}: {'parts are copied' if copied else 'no more than chance'}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and isnan(value) else value
