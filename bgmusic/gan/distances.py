"""Distances between two clouds of features: how near what was generated is to what is real."""

from __future__ import annotations

import torch
from torch import Tensor


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of two clouds of features, ``(N, F)`` and ``(M, F)``; 0 or more, 0 is best.

    ``|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2))`` with covariances A and B. On Inception features it is
    the FID (Heusel et al., arXiv 1706.08500, equation 6).
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    # tr (A B)^(1/2) is the sum of the roots of AB's eigenvalues, which are those of A^(1/2) B A^(1/2): symmetric.
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(float(distance), 0.0)


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel ``(x y / F + 1)^3``; near 0 is best.

    The KID of Bińkowski et al., arXiv 1801.01401, section 3.1, over all pairs instead of random subsets;
    being unbiased it may be slightly negative. Clouds ``(N, F)`` and ``(M, F)`` of at least two each.
    """

    def cubes(x: Tensor) -> Tensor:
        return x * x * x  # pow(3) takes ten times as long

    def total(x: Tensor, y: Tensor) -> float:
        # Parts that stay in the cache, in float32, whose rounding averages out; their sums in float64.
        y = y.T / x.shape[1]
        return sum(float(cubes(part @ y + 1).sum(dtype=torch.float64)) for part in x.split(100))

    def diagonal(x: Tensor) -> float:
        return float(cubes(x.square().sum(1) / x.shape[1] + 1).sum())

    n, m = len(a), len(b)
    within = (total(a, a) - diagonal(a)) / (n * (n - 1)) + (total(b, b) - diagonal(b)) / (m * (m - 1))
    return within - 2 * total(a, b) / (n * m)


def neighbour_radii(x: Tensor, neighbour: int = 5) -> Tensor:
    """Distance of each point to its k-th nearest other point: ``(N, F) -> (N,)``."""
    # The nearest of all is the point itself.
    nearest = [torch.cdist(part, x).topk(neighbour + 1, largest=False).values[:, -1] for part in x.split(1000)]
    return torch.cat(nearest)


def _covered(points: Tensor, centres: Tensor, radii: Tensor) -> float:
    """Share of points that lie in at least one ball around a centre."""
    inside = [(torch.cdist(part, centres) <= radii).any(1) for part in points.split(1000)]
    return float(torch.cat(inside).double().mean())


def precision_recall(
    generated: Tensor, real: Tensor, neighbour: int = 5, real_radii: Tensor | None = None
) -> tuple[float, float]:
    """Precision and recall by k-nearest-neighbour balls, each in [0, 1], 1 is best.

    Precision is the share of generated points within the real points' balls (are samples real?), recall the
    share of real points within the generated ones' (is everything there?).
    Source: Kynkäänniemi et al., arXiv 1904.06991, equation 1. Their k is 3; with 5, real digits reach 0.94 and
    0.95 against other real digits, which leaves less of the scale unused.
    ``real_radii`` are :func:`neighbour_radii` of the real points, if known already. Clouds ``(N, F)`` and ``(M, F)``.
    """
    radii = neighbour_radii(real, neighbour) if real_radii is None else real_radii
    precision = _covered(generated, real, radii)
    return precision, _covered(real, generated, neighbour_radii(generated, neighbour))
