"""Layers of discriminators equal torch's, also where a penalty differentiates them twice."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bgmusic.gan import layers
from bgmusic.gan.layers import LeakyReLU


def derivatives(leak: nn.Module, x: Tensor, first: Tensor, second: Tensor) -> list[Tensor]:
    """Scores, their gradient by the points, and the penalty's gradient by both weights."""
    points = x.clone().requires_grad_()
    w, v = first.clone().requires_grad_(), second.clone().requires_grad_()
    scores = leak(points @ w) @ v
    (gradient,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    penalty = gradient.square().sum() + scores.sum()
    return [scores.detach(), gradient.detach(), *torch.autograd.grad(penalty, (w, v))]


@pytest.fixture(params=["small", "large"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of computing it must hold the same."""
    if request.param == "large":
        monkeypatch.setattr(layers, "_SMALL", 0)


@pytest.mark.parametrize("slope", [0.2, 0.01, 1.0])
def test_leaky_relu_equals_torchs_in_values_and_both_derivatives(slope: float) -> None:
    rng = torch.Generator().manual_seed(0)
    x, w, v = (torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in ((6, 4), (4, 5), (5, 1)))
    ours = derivatives(LeakyReLU(slope), x, w, v)
    theirs = derivatives(nn.LeakyReLU(slope), x, w, v)
    for mine, torchs in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, torchs)


def test_leaky_relu_at_zero_takes_the_slope() -> None:
    x = torch.zeros(3, requires_grad=True)
    LeakyReLU(0.2)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([0.2] * 3)


def test_leaky_relu_keeps_infinities_and_nan() -> None:
    x = torch.tensor([float("inf"), -float("inf"), float("nan")])
    ours = LeakyReLU(0.2)(x)
    assert ours[:2].tolist() == [float("inf"), -float("inf")]
    assert ours[2].isnan()
