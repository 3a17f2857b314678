"""Objectives and penalties against hand-worked values and numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bgmusic.gan import penalties
from bgmusic.gan.layers import LeakyReLU
from bgmusic.gan.objectives import OBJECTIVES

LN2 = math.log(2)
LN3 = math.log(3)

# Scores of two real and two fake samples, chosen so that sigmoids are simple fractions: sigmoid(ln 3) = 3/4.
REAL, FAKE = (LN3, 0.0), (-LN3, LN3)
HAND_WORKED = {
    # -log(3/4), -log(1/2); -log(1 - 1/4), -log(1 - 3/4): means of (2 ln 2 - ln 3, ln 2), (2 ln 2 - ln 3, 2 ln 2).
    "gan": (((3 * LN2 - LN3) + (4 * LN2 - LN3)) / 2, ((2 * LN2) + (2 * LN2 - LN3)) / 2),
    "wgan": (-LN3 / 2, 0.0),
    # real: max(0, 1 - ln 3) = 0, 1; fake: max(0, 1 - ln 3) = 0, 1 + ln 3.
    "hinge": (0.5 + (1 + LN3) / 2, 0.0),
    # differences 2 ln 3 and -ln 3: sigmoids 9/10 and 1/4.
    "relativistic": ((-math.log(0.9) + 2 * LN2) / 2, (-math.log(0.1) - math.log(0.75)) / 2),
}


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_losses_equal_hand_worked_values(name: str) -> None:
    objective = OBJECTIVES[name]
    real, fake = torch.tensor(REAL, dtype=torch.float64), torch.tensor(FAKE, dtype=torch.float64)
    of_d, of_g = objective.discriminator(real, fake), objective.generator(real, fake)
    assert of_d.dim() == of_g.dim() == 0
    assert (of_d.item(), of_g.item()) == pytest.approx(HAND_WORKED[name], abs=1e-12)


def numpy_losses(name: str, real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    log_sigmoid = lambda x: -np.log1p(np.exp(-x))  # noqa: E731
    if name == "gan":
        return -(log_sigmoid(real) + log_sigmoid(-fake)).mean(), -log_sigmoid(fake).mean()
    if name == "wgan":
        return (fake - real).mean(), -fake.mean()
    if name == "hinge":
        return (np.maximum(0, 1 - real) + np.maximum(0, 1 + fake)).mean(), -fake.mean()
    return -log_sigmoid(real - fake).mean(), -log_sigmoid(fake - real).mean()


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_losses_equal_numpy_and_differentiate(name: str) -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(1, 2, (64, 1)), rng.normal(-1, 2, (64, 1))
    objective = OBJECTIVES[name]
    scores = torch.from_numpy(real), torch.from_numpy(fake)
    got = objective.discriminator(*scores).item(), objective.generator(*scores).item()
    assert got == pytest.approx(numpy_losses(name, real, fake), rel=1e-12)
    few = tuple(score[:5].clone().requires_grad_() for score in scores)
    assert torch.autograd.gradcheck(objective.discriminator, few)
    assert objective.paired == (name == "relativistic")


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_losses_stay_finite_at_scores_that_overflow_a_sigmoid(name: str) -> None:
    for sign in (1, -1):
        real = torch.tensor([1000.0, -1000.0], requires_grad=True)
        fake = (sign * real.detach()).requires_grad_()
        loss = OBJECTIVES[name].discriminator(real, fake) + OBJECTIVES[name].generator(real, fake)
        loss.backward()
        assert loss.isfinite()
        assert real.grad is None or real.grad.isfinite().all()
        assert fake.grad is not None
        assert fake.grad.isfinite().all()


class Quadratic(nn.Module):
    """``D(x) = a/2 |x|^2``, whose gradient at x is a x."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x: Tensor) -> Tensor:
        return self.a / 2 * x.flatten(1).square().sum(1, keepdim=True)


POINTS = torch.tensor([[[3.0, 4.0]], [[0.0, 2.0]]])  # norms 5 and 2


def test_gradients_of_a_linear_discriminator_are_its_weights() -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(2, 1))
    scores, gradients = penalties.scores_and_gradients(linear, POINTS)
    assert torch.equal(scores, linear(POINTS))
    assert torch.equal(gradients, linear[1].weight.expand(2, -1).view(2, 1, 2))
    # R1 and WGAN-GP by hand: |w|^2 / 2 and (|w| - 1)^2.
    norm = linear[1].weight.norm()
    assert penalties.zero_centred(gradients).item() == pytest.approx((norm**2 / 2).item(), rel=1e-6)
    assert penalties.one_centred(gradients).item() == pytest.approx(((norm - 1) ** 2).item(), rel=1e-5)


def test_zero_centred_penalty_of_a_quadratic_by_hand() -> None:
    quadratic = Quadratic(2.0)
    _, gradients = penalties.scores_and_gradients(quadratic, POINTS)
    penalty = penalties.zero_centred(gradients)  # a^2 (25 + 4) / 2 / 2 = 29
    assert penalty.item() == pytest.approx(29)
    penalty.backward()  # d/da a^2 29/4 = 29
    assert quadratic.a.grad.item() == pytest.approx(29)


def test_one_centred_penalty_of_a_quadratic_by_hand() -> None:
    quadratic = Quadratic(2.0)
    _, gradients = penalties.scores_and_gradients(quadratic, POINTS)
    penalty = penalties.one_centred(gradients)  # ((10 - 1)^2 + (4 - 1)^2) / 2 = 45
    assert penalty.item() == pytest.approx(45)
    penalty.backward()  # mean of 2 (a n - 1) n = (2 * 9 * 5 + 2 * 3 * 2) / 2 = 51
    assert quadratic.a.grad.item() == pytest.approx(51)


@pytest.mark.parametrize("penalty", [penalties.one_centred, penalties.zero_centred])
def test_a_gradient_of_zero_gives_finite_weights(penalty: object) -> None:
    quadratic = Quadratic(1.0)
    _, gradients = penalties.scores_and_gradients(quadratic, torch.zeros(3, 2, requires_grad=True))
    value = penalty(gradients)  # type: ignore[operator]
    value.backward()
    assert value.isfinite()
    assert quadratic.a.grad.isfinite()


def test_penalties_are_float32_whatever_the_gradients() -> None:
    gradients = torch.full((2, 100_000), 0.01, dtype=torch.bfloat16)
    for penalty in (penalties.one_centred, penalties.zero_centred):
        assert penalty(gradients).dtype == torch.float32
    exact = float(gradients[0, 0].double() ** 2 * 100_000)
    assert penalties.squared_norms(gradients)[0].item() == pytest.approx(exact, rel=1e-5)


def test_points_are_detached_from_what_made_them() -> None:
    source = torch.ones(2, 2, requires_grad=True)
    quadratic = Quadratic(1.0)
    _, gradients = penalties.scores_and_gradients(quadratic, source * 2)
    penalties.zero_centred(gradients).backward()
    assert source.grad is None


def test_interpolates_lie_on_the_lines_between_pairs() -> None:
    real, fake = torch.randn(50, 3, 4), torch.randn(50, 3, 4)
    points = penalties.interpolate(real, fake, torch.Generator().manual_seed(0))
    shares = (points - fake) / (real - fake)
    per_sample = shares.flatten(1)
    assert torch.allclose(per_sample, per_sample[:, :1].expand_as(per_sample), atol=1e-3)
    drawn = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(per_sample.median(1).values, drawn, atol=1e-4)


def test_clipping_by_hand() -> None:
    weights = [nn.Parameter(torch.tensor([-1.0, -0.01, 0.005])), nn.Parameter(torch.tensor(0.3))]
    penalties.clip_weights(iter(weights), 0.01)
    assert torch.equal(weights[0].detach(), torch.tensor([-0.01, -0.01, 0.005]))
    assert torch.equal(weights[1].detach(), torch.tensor(0.01))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_leaky_relu_equals_torchs_with_both_derivatives(dtype: torch.dtype) -> None:
    x = torch.cat([torch.randn(100), torch.tensor([0.0, -0.0, 1e-40, -1e-40, 1e30, -1e30])]).to(dtype)
    weight = torch.randn(106, dtype=dtype)
    results = []
    for layer in (LeakyReLU(0.2), nn.LeakyReLU(0.2)):
        at = x.clone().requires_grad_()
        output = layer(at)
        (gradient,) = torch.autograd.grad((output * weight).sum(), at, create_graph=True)
        results.append((output, gradient))
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, theirs)


def test_leaky_relu_lets_a_penalty_reach_the_weights_below() -> None:
    gradients = []
    for layer in (LeakyReLU(0.2), nn.LeakyReLU(0.2)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), layer, nn.Linear(8, 1))
        _, by_points = penalties.scores_and_gradients(model, torch.randn(16, 4))
        penalties.zero_centred(by_points).backward()
        gradients.append([p.grad for p in (model[0].weight, model[2].weight)])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)
