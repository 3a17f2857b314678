"""Coupled thresholds: each neuron keeps its probability, and a group fires as often as expected."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.neurons import SBN
from bgmusic.neurons.coupling import coupled_thresholds


def systematic_sample(probabilities: list[float], draw: float) -> list[bool]:
    """Lay the neurons side by side: those that contain a point of draw, draw + 1, ... fire."""
    fired, left = [], 0.0
    for probability in probabilities:
        right = left + probability
        points = np.arange(-1, len(probabilities) + 1) + draw
        fired.append(bool(((points >= left) & (points < right)).any()))
        left = right
    return fired


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 64).map(lambda n: n / 64), min_size=1, max_size=12),
    st.integers(0, 126).map(lambda n: (2 * n + 1) / 256),  # odd 256ths: no point lies on a boundary
)
def test_neurons_that_contain_a_point_fire(probabilities: list[float], draw: float) -> None:
    p = torch.tensor(probabilities)
    thresholds = coupled_thresholds(p, torch.tensor([draw]))
    assert ((thresholds >= 0) & (thresholds < 1)).all()
    assert (p > thresholds).tolist() == systematic_sample(probabilities, draw)


def test_each_neuron_fires_with_its_own_probability_and_the_group_as_expected() -> None:
    p = torch.tensor([0.1, 0.5, 0.02, 0.9, 0.33, 0.65])
    draws = (torch.arange(20_000, dtype=torch.float64).unsqueeze(1) + 0.5) / 20_000  # an even grid of draws
    fired = (p > coupled_thresholds(p.expand(20_000, -1), draws)).double()
    torch.testing.assert_close(fired.mean(0), p.double(), rtol=0, atol=1e-4)
    assert set(fired.sum(1).tolist()) == {2.0, 3.0}  # 2.5 are expected


def test_a_stochastic_neuron_accepts_coupled_thresholds() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.3]], requires_grad=True)
    thresholds = coupled_thresholds(torch.sigmoid(logits), torch.tensor([[0.4]]))
    bits = SBN()(logits, thresholds=thresholds)
    assert bits.tolist() == [[float(fires) for fires in systematic_sample(torch.sigmoid(logits)[0].tolist(), 0.4)]]
    bits.sum().backward()
    p = torch.sigmoid(logits.detach())
    torch.testing.assert_close(logits.grad, p * (1 - p))  # from the estimator; none from the thresholds


@pytest.mark.parametrize("count", [100, 1000])
def test_many_neurons_keep_their_count_despite_rounding(count: int) -> None:
    p = torch.full((count,), 3 / count)
    fired = p > coupled_thresholds(p.expand(50, -1), (torch.arange(50).unsqueeze(1) + 0.5) / 50)
    assert (fired.sum(1) == 3).all()


def test_wrong_types_and_shapes_are_refused() -> None:
    p = torch.full((4, 3), 0.5)
    for draws in (torch.zeros(4), torch.zeros(4, 3), torch.zeros(5, 1), torch.zeros(2, 4, 1)):
        with pytest.raises(ValueError, match="one number per group"):
            coupled_thresholds(p, draws)
    with pytest.raises(ValueError, match="probabilities must be floating"):
        coupled_thresholds(p > 0, torch.zeros(4, 1))
    with pytest.raises(ValueError, match="draws must be floating"):
        coupled_thresholds(p, torch.zeros(4, 1, dtype=torch.int64))
