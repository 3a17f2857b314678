"""Results of an evaluation, as numbers and in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any

from bgmusic.music.judging.two_sample import TwoSample


@dataclass(frozen=True)
class Row:
    """One statistic of the samples and of the data.

    ``samples`` and ``data`` are means; ``distance`` and ``overlap`` compare the two distributions, ``floor`` and
    ``floor_overlap`` those of training phrases and the data. ``core`` statistics enter the mean distance. Statistics
    of tracks are averaged over the tracks.
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
    """The mean distance over the core statistics, with a 95% confidence interval (bootstrap over pieces)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Copying:
    """How much is copied from the training set.

    Attributes:
        common: quantiles (10%, 50%, 90%) over phrases of the share of notes in common with the nearest training phrase,
            up to transposition.
        copies: share of phrases with 80% of their notes or more in common.
        known_bars: share of bars that occur in the training set.

    """

    common: tuple[float, float, float]
    copies: float
    known_bars: float


@dataclass(frozen=True)
class Evaluation:
    """The result of :func:`bgmusic.music.judging.evaluation.evaluate`.

    The fields that begin with ``floor`` hold the same for training phrases, ``held_out_copying`` for held-out ones.
    """

    phrases: int
    held_out: int
    rows: tuple[Row, ...]
    distance: Distance
    floor: Distance
    two_sample: TwoSample
    floor_two_sample: TwoSample
    copying: Copying
    held_out_copying: Copying

    def __str__(self) -> str:
        lines = [f"{self.phrases} phrases compared with {self.held_out} held-out ones"]
        return "\n".join([*lines, *self.verdict()])

    def verdict(self) -> list[str]:
        """Return a summary of the results, one sentence each for distance, two-sample test and copying."""
        return [_distance(self), _two_sample(self), _copying(self)]

    def as_dict(self) -> dict[str, Any]:
        """Return all results by name, ready for JSON; NaN becomes None."""
        values: dict[str, Any] = _without_nan(asdict(self) | {"verdict": self.verdict()})
        return values


def _distance(result: Evaluation) -> str:
    times = result.distance.mean / result.floor.mean if result.floor.mean else nan
    if times <= 1.5 or result.distance.low <= result.floor.high:
        return f"distance: {times:.1f} times the floor; about as close to held-out pieces as the training set"
    word = "close to" if times <= 3 else "at some distance from" if times <= 8 else "far from"
    largest = sorted((row for row in result.rows if row.core), key=lambda row: row.floor - row.distance)[:3]
    names = ", ".join(row.name for row in largest)
    return f"distance: {times:.1f} times the floor; {word} held-out pieces; largest differences: {names}"


def _two_sample(result: Evaluation) -> str:
    test = result.two_sample
    interval = f"{test.low:.0%} to {test.high:.0%}"
    accuracy = f"a small network classifies {test.accuracy:.0%} of phrases correctly ({interval})"
    if test.low <= max(0.5, result.floor_two_sample.high):
        return f"two-sample test: {accuracy}; no better than for training phrases"
    word = "easily" if test.accuracy > 0.9 else "often"
    return f"two-sample test: {accuracy}; it {word} distinguishes the phrases from held-out ones"


def _copying(result: Evaluation) -> str:
    found, usual = result.copying, result.held_out_copying
    copies = f"{found.copies:.0%} of phrases share 80% or more of their notes with a training phrase"
    bars = f"{found.known_bars:.0%} of bars occur in the training set"
    copied = found.copies > usual.copies + 0.1 or found.known_bars > usual.known_bars + 0.25
    return (
        f"copying: {copies} (held-out: {usual.copies:.0%}), {bars} (held-out: {usual.known_bars:.0%}); "
        f"{'parts are copied' if copied else 'no more than in held-out pieces'}"
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and isnan(value) else value
