"""Test great-circle interpolation in latent space."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from bgmusic.gan.latent import great_circle, slerp, wander


def degrees(a: Tensor, b: Tensor) -> float:
    cosine = float(a.double() @ b.double() / (a.double().norm() * b.double().norm()))
    return math.degrees(math.acos(min(1.0, cosine)))


def test_slerp_returns_its_end_points_exactly() -> None:
    a, b = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(slerp(a, b, 0), a)
    assert torch.equal(slerp(a, b, 1), b)
    torch.testing.assert_close(slerp(a, a, 0.3), a)  # equal end points


def test_slerp_on_a_quarter_circle_by_hand() -> None:
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    torch.testing.assert_close(slerp(a, b, 1 / 3), 2 * torch.tensor([math.sqrt(3) / 2, 0.5]))


def test_points_are_equally_spaced_and_keep_the_norm_of_noise() -> None:
    a, b = torch.randn(2, 20_000, generator=torch.Generator().manual_seed(1))
    points = great_circle(a, b, 6)
    assert len(points) == 6
    angles = [degrees(*pair) for pair in itertools.pairwise(points)]
    assert angles == pytest.approx([degrees(a, b) / 5] * 5, rel=0.01)
    # The middle of the straight line would have 0.707 of the norm.
    assert [float(point.norm()) / math.sqrt(20_000) for point in points] == pytest.approx([1.0] * 6, abs=0.02)


def test_fewer_than_two_points_are_refused() -> None:
    with pytest.raises(ValueError, match="two points"):
        great_circle(torch.zeros(2), torch.zeros(2), 1)


def test_a_path_moves_in_equal_steps_through_its_waypoints() -> None:
    rng = torch.Generator().manual_seed(2)
    drawn = [torch.randn(10_000, generator=rng) for _ in range(4)]
    waypoints = iter(drawn[1:])
    path = list(itertools.islice(wander(drawn[0], lambda: next(waypoints), 4), 12))
    assert all(torch.equal(path[4 * number], drawn[number]) for number in range(3))
    steps = [degrees(*pair) for pair in itertools.pairwise(path)]
    assert steps == pytest.approx([22.5] * 11, abs=1)
