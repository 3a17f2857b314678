"""Distances between clouds of features equal independent calculations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from bgmusic.gan.distances import frechet_distance, kernel_distance, neighbour_radii, precision_recall


@pytest.fixture(scope="module")
def clouds() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    mix = torch.randn(6, 6, generator=rng)
    return torch.randn(150, 6, generator=rng), torch.randn(130, 6, generator=rng) @ mix + 0.5


def test_frechet_distance_equals_scipys_matrix_root(clouds: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = (cloud.double().numpy() for cloud in clouds)
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet_distance(*clouds) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(clouds[0], clouds[0]) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_a_flat_cloud_is_finite() -> None:
    flat = torch.ones(20, 4)  # its covariance is singular
    assert frechet_distance(flat, flat + 2) == pytest.approx(16)


def test_kernel_distance_equals_loops(clouds: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = (cloud.double().numpy() for cloud in clouds)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 6 + 1) ** 3)

    within = [np.mean([kernel(c[i], c[j]) for i in range(len(c)) for j in range(len(c)) if i != j]) for c in (a, b)]
    across = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(*clouds) == pytest.approx(sum(within) - 2 * across, rel=1e-4)


def test_precision_and_recall_equal_loops(clouds: tuple[torch.Tensor, torch.Tensor]) -> None:
    generated, real = (cloud.double().numpy() for cloud in clouds)

    def covered(points: np.ndarray, centres: np.ndarray) -> float:
        inside = 0
        radii = [np.sort(np.linalg.norm(centres - centre, axis=1))[5] for centre in centres]
        for point in points:
            inside += any(np.linalg.norm(point - c) <= r for c, r in zip(centres, radii, strict=True))
        return inside / len(points)

    expected = (covered(generated, real), covered(real, generated))
    doubles = (clouds[0].double(), clouds[1].double())
    assert precision_recall(*doubles) == pytest.approx(expected)
    assert precision_recall(*doubles, real_radii=neighbour_radii(doubles[1])) == pytest.approx(expected)
