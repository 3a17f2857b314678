"""Test that discriminator layers equal those of torch, with first and second derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bgmusic.gan import layers, penalties
from bgmusic.gan.layers import Dropout, LeakyReLU


def derivatives(leak: nn.Module, x: Tensor, first: Tensor, second: Tensor) -> list[Tensor]:
    """Return the scores, their gradient with respect to x, and the gradient of a penalty by both weights."""
    points = x.clone().requires_grad_()
    w, v = first.clone().requires_grad_(), second.clone().requires_grad_()
    scores = leak(points @ w) @ v
    (gradient,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    penalty = gradient.square().sum() + scores.sum()
    return [scores.detach(), gradient.detach(), *torch.autograd.grad(penalty, (w, v))]


@pytest.fixture(params=["small", "large"], autouse=True)
def _size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test with the algorithm for small and for large inputs."""
    if request.param == "large":
        monkeypatch.setattr(layers, "_SMALL", 0)


@pytest.mark.parametrize("slope", [0.2, 0.01, 1.0])
def test_leaky_relu_equals_that_of_torch_with_both_derivatives(slope: float) -> None:
    rng = torch.Generator().manual_seed(0)
    x, w, v = (torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in ((6, 4), (4, 5), (5, 1)))
    results = derivatives(LeakyReLU(slope), x, w, v)
    expected = derivatives(nn.LeakyReLU(slope), x, w, v)
    for result, reference in zip(results, expected, strict=True):
        torch.testing.assert_close(result, reference)


def test_the_derivative_of_leaky_relu_at_zero_is_the_slope() -> None:
    x = torch.zeros(3, requires_grad=True)
    LeakyReLU(0.2)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([0.2] * 3)


def test_leaky_relu_preserves_infinities_and_nan() -> None:
    x = torch.tensor([float("inf"), -float("inf"), float("nan")])
    result = LeakyReLU(0.2)(x)
    assert result[:2].tolist() == [float("inf"), -float("inf")]
    assert result[2].isnan()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_leaky_relu_equals_that_of_torch_in_every_dtype(dtype: torch.dtype) -> None:
    x = torch.cat([torch.randn(100), torch.tensor([0.0, -0.0, 1e-40, -1e-40, 1e30, -1e30])]).to(dtype)
    weight = torch.randn(106, dtype=dtype)
    results = []
    for layer in (LeakyReLU(0.2), nn.LeakyReLU(0.2)):
        at = x.clone().requires_grad_()
        output = layer(at)
        (gradient,) = torch.autograd.grad((output * weight).sum(), at, create_graph=True)
        results.append((output, gradient))
    for result, reference in zip(*results, strict=True):
        assert result.dtype == dtype
        torch.testing.assert_close(result, reference)


def test_a_penalty_reaches_the_weights_below_a_leaky_relu() -> None:
    gradients = []
    for layer in (LeakyReLU(0.2), nn.LeakyReLU(0.2)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), layer, nn.Linear(8, 1))
        _, by_points = penalties.scores_and_gradients(model, torch.randn(16, 4))
        penalties.zero_centred(by_points).backward()
        gradients.append([p.grad for p in (model[0].weight, model[2].weight)])
    for result, reference in zip(*gradients, strict=True):
        torch.testing.assert_close(result, reference)


@pytest.mark.parametrize("shape", [(1001,), (30, 7, 11), (0, 3)], ids=str)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.9])
def test_dropout_keeps_a_share_and_scales_it_in_both_directions(shape: tuple[int, ...], share: float) -> None:
    torch.manual_seed(0)
    x = torch.full(shape, 2.0, requires_grad=True)
    result = Dropout(share)(x)
    assert result.shape == x.shape
    result.sum().backward()
    assert x.grad is not None
    assert torch.equal(result.detach(), 2 * x.grad)
    kept = x.grad != 0
    if x.numel():
        assert float(kept.float().mean()) == pytest.approx(1 - share, abs=0.05)
        assert torch.allclose(x.grad[kept], torch.tensor(1 / (1 - share)), rtol=0.03)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_dropout_repeats_with_the_seed_and_does_nothing_in_evaluation(dtype: torch.dtype) -> None:
    drop, x = Dropout(0.5), torch.ones(100, dtype=dtype)
    torch.manual_seed(1)
    first, second = drop(x), drop(x)
    torch.manual_seed(1)
    assert torch.equal(drop(x), first)
    assert not torch.equal(first, second)
    assert first.dtype == dtype
    assert torch.equal(drop.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert not Dropout(1.0)(x).any()
