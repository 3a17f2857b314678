"""Distributions of a statistic over phrases: mean, deviation, Wasserstein distance, overlapped area.

A distribution keeps the counts of each value in each phrase, so that a set of phrases, a subset, or a bootstrap
resample is a weighted sum of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor
from torch.nn import functional as F

# Lower bound of the data's standard deviation, so that nearly constant statistics do not dominate the mean distance.
MIN_DEVIATION = 0.05
_MAX_COUNTS = 1 << 23  # of a distribution: 64 MiB
_MIN_BINS = 256  # of a distribution that is quantized, for any number of phrases
_BINS = 30  # of a histogram, for statistics with more distinct values


@dataclass(frozen=True, eq=False)
class Distribution:
    """Counts of a statistic's values in each phrase; falsy without any observation.

    Attributes:
        values: float64 ``(v,)``, distinct.
        counts: float64 ``(n, v)``, how often each value occurs in each of ``n`` phrases.
        nominal: whether values are numbers of categories: two different values are at distance 1.

    Raises:
        ValueError: the shapes do not fit.

    """

    values: Tensor
    counts: Tensor
    nominal: bool = False

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or self.counts.ndim != 2 or self.counts.shape[1] != len(self.values):
            raise ValueError(
                f"values and counts must have shapes (v,) and (n, v), "
                f"not {tuple(self.values.shape)} and {tuple(self.counts.shape)}"
            )

    @staticmethod
    def from_observations(values: Tensor, max_counts: int = _MAX_COUNTS) -> Distribution:
        """Count observations ``(n, k)``, ``k`` for each phrase; NaN is no observation.

        Values are quantized to an even grid of at least 256 if the counts would otherwise exceed ``max_counts``.
        """
        if values.ndim != 2:
            raise ValueError(f"observations must have shape (phrases, k), not {tuple(values.shape)}")
        values = values.double()
        seen = ~values.isnan()
        distinct, place = values[seen].unique(return_inverse=True)
        if len(values) * len(distinct) > max_counts:
            # Thousands of phrases rarely share a value such as a tonal distance; a fine grid is accurate enough.
            bins = max(_MIN_BINS, max_counts // len(values))
            low, high = distinct[0], distinct[-1]
            on_grid = ((values[seen] - low) / (high - low) * (bins - 1)).round()
            distinct, place = (low + on_grid / (bins - 1) * (high - low)).unique(return_inverse=True)
        counts = torch.zeros(len(values), len(distinct), dtype=torch.float64)
        rows = torch.arange(len(values)).unsqueeze(1).expand_as(values)[seen]
        one = torch.ones(1, dtype=torch.float64)
        return Distribution(distinct, counts.index_put_((rows, place), one, accumulate=True))

    @staticmethod
    def from_histogram(counts: Tensor, values: Tensor) -> Distribution:
        """Return the distribution of histograms ``(n, v)`` with bins at ``values`` ``(v,)``."""
        return Distribution(values.double(), counts.double())

    def __bool__(self) -> bool:
        return bool(self.counts.any())

    def mean(self) -> float:
        """Return the mean over all observations; NaN without any, and for categories."""
        if self.nominal:
            return nan
        counts = self.counts.sum(0)
        return float(counts @ self.values / counts.sum())


def deviation(*distributions: Distribution) -> float:
    """Return the standard deviation over all observations of the distributions; 0 without any.

    The variance is half the mean squared distance of two observations; for categories that is half the chance that two
    observations differ.
    """
    values = torch.cat([part.values for part in distributions])
    counts = torch.cat([part.counts.sum(0) for part in distributions])
    weights = counts / counts.sum().clamp(min=1)
    if any(part.nominal for part in distributions):
        distinct, place = values.unique(return_inverse=True)
        shares = torch.zeros_like(distinct).index_add_(0, place, weights)
        return float(((weights.sum() - shares.square().sum()) / 2).clamp(min=0).sqrt())
    return float((weights @ (values - weights @ values).square()).clamp(min=0).sqrt())


def distance(
    samples: Distribution,
    data: Distribution,
    deviation: float,
    weights: Tensor | None = None,
    data_weights: Tensor | None = None,
) -> Tensor:
    """Return the Wasserstein-1 distance over the data's standard deviation: float64 ``(r,)``, 0 is best.

    In one dimension the distance is the area between the distribution functions (Vallender, "Calculation of the
    Wasserstein distance between probability distributions on the line", 1974). A distribution without observations
    counts as the value 0: silence has notes of length 0.

    The distance of categories is the total variation distance: the Wasserstein-1 distance if any two categories are at
    distance 1.

    Args:
        samples: the distribution to compare.
        data: the reference.
        deviation: standard deviation of the data; at least 0.05 is used.
        weights: ``(r, n)``, how often each phrase of ``samples`` counts in each of ``r`` resamples; None: once, r = 1.
        data_weights: the same for ``data``.

    """
    values, a, b = _pooled(samples, data, weights, data_weights)
    if samples.nominal or data.nominal:
        return (a - b).abs().sum(-1) / 2 / max(deviation, MIN_DEVIATION)
    area = ((a.cumsum(-1) - b.cumsum(-1)).abs()[:, :-1] * values.diff()).sum(-1)
    return area / max(deviation, MIN_DEVIATION)


def overlap(samples: Distribution, data: Distribution) -> float:
    """Return the overlapped area of two histograms: 0 to 1, 1 is best.

    Yang and Lerch, "On the evaluation of generative models in music", 2020, section 4.3; with histograms (one bin for
    each value, or 30 bins of equal width) in place of kernel density estimates.
    """
    values, a, b = _pooled(samples, data, None, None)
    if len(values) > _BINS and not samples.nominal:
        width = (values[-1] - values[0]) / _BINS
        bins = F.one_hot(((values - values[0]) / width).long().clamp(max=_BINS - 1), _BINS).double()
        a, b = a @ bins, b @ bins
    return float(torch.minimum(a, b).sum())


def _pooled(
    samples: Distribution, data: Distribution, weights: Tensor | None, data_weights: Tensor | None
) -> tuple[Tensor, ...]:
    """Return the values of both ``(v,)``, and the share of each value in either: ``(r, v)``."""
    values = torch.cat([samples.values, data.values, torch.zeros(1, dtype=torch.float64)]).unique()
    pooled = []
    for side, weight in ((samples, weights), (data, data_weights)):
        if weight is not None and (weight.ndim != 2 or weight.shape[1] != len(side.counts)):
            raise ValueError(f"weights must have shape (r, {len(side.counts)}), not {tuple(weight.shape)}")
        chosen = side.counts.sum(0, keepdim=True) if weight is None else weight @ side.counts
        spread = torch.zeros(len(chosen), len(values), dtype=torch.float64)
        spread[:, torch.searchsorted(values, side.values)] = chosen
        empty = spread.sum(1) == 0
        spread[empty, torch.searchsorted(values, torch.zeros(1, dtype=torch.float64))] = 1.0
        pooled.append(spread / spread.sum(1, keepdim=True))
    return values, pooled[0], pooled[1]
