"""Compare statistics of samples and data: distances, standard errors, and means over families."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan
from statistics import median

import torch
from torch import Tensor

from bgmusic.music.judging.metrics.distributions import (
    MIN_DEVIATION,
    Distribution,
    deviation,
    distance,
    overlap,
)
from bgmusic.music.judging.results import Distance, Family, Row
from bgmusic.music.judging.statistics import FAMILIES, Statistic

RESAMPLES = 200  # of the bootstrap


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a statistic: samples, data, floor, and the standard deviation of data and floor."""

    samples: Distribution
    data: Distribution
    floor: Distribution
    scale: float

    def of_rows(self, data: Tensor, floor: Tensor) -> Part:
        """Return the part with the given phrases of the data and the floor: int64 ``(m,)`` each."""
        sides = [replace(side, counts=side.counts[rows]) for side, rows in ((self.data, data), (self.floor, floor))]
        return Part(self.samples, sides[0], sides[1], self.scale)


@dataclass(frozen=True, eq=False)
class Compared:
    """One statistic of the samples, the held-out data, and training phrases (the floor)."""

    samples: Statistic
    data: Statistic
    floor: Statistic

    @cached_property
    def parts(self) -> list[Part]:
        """The parts of which the data have observations, such as the tracks that do not rest in all of them."""
        versions = zip(self.samples.parts, self.data.parts, self.floor.parts, strict=True)
        return [Part(p, q, r, deviation(q, r)) for p, q, r in versions if q]

    def distances(self, weights: Sequence[Tensor], floor: bool = False) -> Tensor:
        """Return the mean distance over the parts in each resample: float64 ``(r,)``.

        Args:
            weights: of the samples (or floor) and of the data, as :func:`resample` returns them.
            floor: whether to compare the floor instead of the samples.

        """
        return mean_of_parts(self.parts, weights, floor)

    def standard_error(self, data_weights: Tensor) -> float:
        """Return the standard error of the data: the root mean square distance of resamples of the data to the data.

        For a rate it is the standard error of the mean over the scale. One more observation of another value is the
        least error.
        """
        drawn = [distance(part.data, part.data, part.scale, data_weights[1:]) for part in self.parts]
        least = [1 / float(part.data.counts.sum()) / max(part.scale, MIN_DEVIATION) for part in self.parts]
        return max(float(torch.stack(drawn).mean(0).square().mean().sqrt()), sum(least) / len(least))

    def rate_error(self, weights: Sequence[Tensor]) -> float:
        """Return the standard error of the difference between the means of samples and data, by resampling both."""
        means = []
        for side, weight in zip((self.parts[0].samples, self.parts[0].data), weights, strict=True):
            counts = weight[1:] @ side.counts
            means.append(counts @ side.values / counts.sum(-1).clamp(min=1))
        return float((means[0] - means[1]).std())


@dataclass(frozen=True)
class FamilyDistances:
    """Mean distances over the core statistics, each family, and all families, of the samples and the floor."""

    core: Distance
    core_floor: Distance
    families: tuple[Family, ...]
    mean: Distance
    floor: Distance


def mean_of_parts(parts: Sequence[Part], weights: Sequence[Tensor], floor: bool = False) -> Tensor:
    """Return the mean distance over parts in each resample; see :meth:`Compared.distances`."""
    sides = [(part.floor if floor else part.samples, part) for part in parts]
    return torch.stack([distance(side, part.data, part.scale, *weights) for side, part in sides]).mean(0)


def resample(groups: Tensor, rng: torch.Generator) -> Tensor:
    """Draw pieces with replacement and return how often each phrase counts.

    Args:
        groups: int64 ``(n,)``, the piece of each phrase, numbered from 0.
        rng: source of the draws.

    Returns:
        float64 ``(1 + resamples, n)``; the first row counts each phrase once.

    """
    pieces = int(groups.max()) + 1
    draws = torch.randint(pieces, (RESAMPLES, pieces), generator=rng)
    drawn = torch.zeros(RESAMPLES, pieces).scatter_add_(1, draws, torch.ones(RESAMPLES, pieces))[:, groups]
    return torch.cat([torch.ones(1, len(groups)), drawn]).double()


def mean_over(distances: Iterable[Tensor]) -> Distance:
    """Return the mean of distances ``(1 + resamples,)``, with a 95% interval from the resamples.

    Resampling adds noise to a distance, which is never negative and so grows: the interval is shifted back by as much.
    """
    total = torch.stack(list(distances)).mean(0)
    mean, drawn = float(total[0]), total[1:]
    spread = drawn.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)) - drawn.mean()
    return Distance(mean, max(0.0, mean + float(spread[0])), mean + float(spread[1]))


def core_distance(compared: Sequence[Compared], weights: Sequence[Tensor], floor: bool = False) -> Distance:
    """Return the mean distance over the core statistics; see :meth:`Compared.distances`."""
    return mean_over(one.distances(weights, floor) for one in compared if one.data.core and one.parts)


def compare_families(
    compared: Sequence[Compared], weights: Sequence[Tensor], floor_weights: Sequence[Tensor]
) -> tuple[tuple[Row, ...], FamilyDistances]:
    """Compare all statistics.

    Args:
        compared: the statistics.
        weights: resamples of the samples and of the data.
        floor_weights: resamples of the floor and of the data.

    Returns:
        A row for each statistic, core statistics first, and the mean distances.

    """
    known = [one for one in compared if one.parts]
    far = {one.data.name: one.distances(weights) for one in known}
    near = {one.data.name: one.distances(floor_weights, floor=True) for one in known}
    return join_families(compared, far, near, weights[1])


def join_families(
    compared: Sequence[Compared], far: dict[str, Tensor], near: dict[str, Tensor], data_weights: Tensor
) -> tuple[tuple[Row, ...], FamilyDistances]:
    """Average distances over families.

    Args:
        compared: the statistics.
        far: by name, the distances ``(1 + resamples,)`` of the samples to the data; without the statistics of which
            the data have no observations.
        near: those of the floor.
        data_weights: resamples of the data.

    Returns:
        A row for each statistic, core statistics first, and the mean distances.

    """
    known = [one for one in compared if one.parts]
    rows = [_row(one, far, near, data_weights) for one in compared]
    families = []
    means: tuple[list[Tensor], list[Tensor]] = ([], [])
    for family in FAMILIES:
        names = [one.data.name for one in known if one.data.family == family]
        if not names:
            continue
        own = [row for row in rows if row.name in names]
        sides = [torch.stack([side[name] for name in names]).mean(0) for side in (far, near)]
        for total, side in zip(means, sides, strict=True):
            total.append(side)
        families.append(
            Family(
                name=family,
                statistics=len(names),
                distance=mean_over(sides[:1]),
                floor=mean_over(sides[1:]),
                errors=median(row.errors for row in own),
                floor_errors=median(row.floor_errors for row in own),
            )
        )
    core = [one.data.name for one in known if one.data.core]
    distances = FamilyDistances(
        core=mean_over(far[name] for name in core),
        core_floor=mean_over(near[name] for name in core),
        families=tuple(families),
        mean=mean_over(means[0]),
        floor=mean_over(means[1]),
    )
    return tuple(sorted(rows, key=lambda row: not row.core)), distances


def _row(compared: Compared, far: dict[str, Tensor], near: dict[str, Tensor], data_weights: Tensor) -> Row:
    parts, name = compared.parts, compared.data.name
    distances = [float(side[name][0]) if parts else nan for side in (far, near)]
    error = compared.standard_error(data_weights) if parts else nan
    return Row(
        name=name,
        core=compared.data.core,
        samples=_mean([part.samples.mean() for part in parts if part.samples]),
        data=_mean([part.data.mean() for part in parts]),
        distance=distances[0],
        floor=distances[1],
        overlap=_mean([overlap(part.samples, part.data) for part in parts]),
        floor_overlap=_mean([overlap(part.floor, part.data) for part in parts]),
        family=compared.data.family,
        errors=distances[0] / error,
        floor_errors=distances[1] / error,
        note=_largest_category(compared),
    )


def _largest_category(compared: Compared) -> str:
    """Return the category whose share differs most from the data's, in words; "" for numbers."""
    labels = compared.data.labels
    if not labels or not compared.parts:
        return ""
    shares = [
        torch.stack([side.counts.sum(0) / side.counts.sum().clamp(min=1) for side in sides]).mean(0)
        for sides in ([part.samples for part in compared.parts], [part.data for part in compared.parts])
    ]
    largest = int((shares[0] - shares[1]).abs().argmax())
    return f"{labels[largest]}: {float(shares[0][largest]):.1%}, in the data {float(shares[1][largest]):.1%}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else nan
