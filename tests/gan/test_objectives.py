"""Test objectives and gradient penalties against values worked by hand and numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bgmusic.gan import penalties
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
    d_loss, g_loss = objective.discriminator(real, fake), objective.generator(real, fake)
    assert d_loss.dim() == g_loss.dim() == 0
    assert (d_loss.item(), g_loss.item()) == pytest.approx(HAND_WORKED[name], abs=1e-12)


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
def test_losses_and_gradients_equal_numpy(name: str) -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(1, 2, (64, 1)), rng.normal(-1, 2, (64, 1))
    objective = OBJECTIVES[name]
    scores = torch.from_numpy(real), torch.from_numpy(fake)
    losses = objective.discriminator(*scores).item(), objective.generator(*scores).item()
    assert losses == pytest.approx(numpy_losses(name, real, fake), rel=1e-12)
    few = tuple(score[:5].clone().requires_grad_() for score in scores)
    assert torch.autograd.gradcheck(objective.discriminator, few)
    assert objective.paired == (name == "relativistic")


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_losses_are_finite_for_extreme_scores(name: str) -> None:
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
    """``D(x) = a/2 |x|^2``, with gradient a x."""

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
def test_penalties_of_zero_gradients_are_finite_with_finite_gradients(penalty: object) -> None:
    quadratic = Quadratic(1.0)
    _, gradients = penalties.scores_and_gradients(quadratic, torch.zeros(3, 2, requires_grad=True))
    value = penalty(gradients)  # type: ignore[operator]
    value.backward()
    assert value.isfinite()
    assert quadratic.a.grad.isfinite()


def test_penalties_are_float32_for_bfloat16_gradients() -> None:
    gradients = torch.full((2, 100_000), 0.01, dtype=torch.bfloat16)
    for penalty in (penalties.one_centred, penalties.zero_centred):
        assert penalty(gradients).dtype == torch.float32
    exact = float(gradients[0, 0].double() ** 2 * 100_000)
    assert penalties.squared_norms(gradients)[0].item() == pytest.approx(exact, rel=1e-5)


def test_penalties_do_not_differentiate_into_the_samples() -> None:
    source = torch.ones(2, 2, requires_grad=True)
    quadratic = Quadratic(1.0)
    _, gradients = penalties.scores_and_gradients(quadratic, source * 2)
    penalties.zero_centred(gradients).backward()
    assert source.grad is None


def test_interpolated_points_lie_between_each_pair() -> None:
    real, fake = torch.randn(50, 3, 4), torch.randn(50, 3, 4)
    points = penalties.interpolate(real, fake, torch.Generator().manual_seed(0))
    shares = (points - fake) / (real - fake)
    per_sample = shares.flatten(1)
    assert torch.allclose(per_sample, per_sample[:, :1].expand_as(per_sample), atol=1e-3)
    drawn = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(per_sample.median(1).values, drawn, atol=1e-4)


def test_weight_clipping_by_hand() -> None:
    weights = [nn.Parameter(torch.tensor([-1.0, -0.01, 0.005])), nn.Parameter(torch.tensor(0.3))]
    penalties.clip_weights(iter(weights), 0.01)
    assert torch.equal(weights[0].detach(), torch.tensor([-0.01, -0.01, 0.005]))
    assert torch.equal(weights[1].detach(), torch.tensor(0.01))
