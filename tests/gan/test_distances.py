"""Test distances between sets of features against scipy and loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from bgmusic.gan.distances import frechet_distance, kernel_distance, neighbour_radii, precision_recall


@pytest.fixture(scope="module")
def features() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    mix = torch.randn(6, 6, generator=rng)
    return torch.randn(150, 6, generator=rng), torch.randn(130, 6, generator=rng) @ mix + 0.5


def test_frechet_distance_equals_scipy(features: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = (part.double().numpy() for part in features)
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet_distance(*features) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(features[0], features[0]) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_constant_features_is_finite() -> None:
    flat = torch.ones(20, 4)  # its covariance is singular
    assert frechet_distance(flat, flat + 2) == pytest.approx(16)


def test_kernel_distance_equals_loops(features: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = (part.double().numpy() for part in features)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 6 + 1) ** 3)

    within = [np.mean([kernel(c[i], c[j]) for i in range(len(c)) for j in range(len(c)) if i != j]) for c in (a, b)]
    across = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(*features) == pytest.approx(sum(within) - 2 * across, rel=1e-4)


def test_precision_and_recall_equal_loops(features: tuple[torch.Tensor, torch.Tensor]) -> None:
    generated, real = (part.double().numpy() for part in features)

    def covered(points: np.ndarray, centres: np.ndarray) -> float:
        inside = 0
        radii = [np.sort(np.linalg.norm(centres - centre, axis=1))[5] for centre in centres]
        for point in points:
            inside += any(np.linalg.norm(point - c) <= r for c, r in zip(centres, radii, strict=True))
        return inside / len(points)

    expected = (covered(generated, real), covered(real, generated))
    doubles = (features[0].double(), features[1].double())
    assert precision_recall(*doubles) == pytest.approx(expected)
    assert precision_recall(*doubles, real_radii=neighbour_radii(doubles[1])) == pytest.approx(expected)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance, precision_recall])
def test_features_of_wrong_dtype_shape_or_value_are_refused(
    distance: Callable[[torch.Tensor, torch.Tensor], object],
) -> None:
    good = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    for bad, error, words in (
        (torch.ones(20, 6, dtype=torch.int64), TypeError, "floating point"),
        (good[:, :5], ValueError, "same length"),
        (good[0], ValueError, "shape"),
        (good[:1], ValueError, "at least"),
        (good / 0, ValueError, "finite"),
    ):
        with pytest.raises(error, match=words):
            distance(bad, good)
        with pytest.raises(error, match=words):
            distance(good, bad)


def test_radii_of_wrong_length_are_refused() -> None:
    points = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="real_radii"):
        precision_recall(points, points, real_radii=torch.ones(19))
    with pytest.raises(ValueError, match="neighbour"):
        neighbour_radii(points, 0)
