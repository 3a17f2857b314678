"""Coupled thresholds: every neuron keeps its odds, and a group fires as often as it is expected to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.neurons import SBN
from bgmusic.neurons.coupling import coupled_thresholds


def comb(probabilities: list[float], draw: float) -> list[bool]:
    """By hand: lay the neurons side by side; those fire that hold one of the points draw, draw + 1, ..."""
    fired, left = [], 0.0
    for probability in probabilities:
        right = left + probability
        teeth = np.arange(-1, len(probabilities) + 1) + draw
        fired.append(bool(((teeth >= left) & (teeth < right)).any()))
        left = right
    return fired


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 64).map(lambda n: n / 64), min_size=1, max_size=12),
    st.integers(0, 126).map(lambda n: (2 * n + 1) / 256),  # between the sixty-fourths: no tooth lies on an edge
)
def test_neurons_fire_where_the_comb_meets_them(probabilities: list[float], draw: float) -> None:
    p = torch.tensor(probabilities)
    thresholds = coupled_thresholds(p, torch.tensor([draw]))
    assert ((thresholds >= 0) & (thresholds < 1)).all()
    assert (p > thresholds).tolist() == comb(probabilities, draw)


def test_each_neuron_fires_with_its_own_probability_and_the_group_as_expected() -> None:
    p = torch.tensor([0.1, 0.5, 0.02, 0.9, 0.33, 0.65])
    draws = (torch.arange(20_000, dtype=torch.float64).unsqueeze(1) + 0.5) / 20_000  # every draw alike, none twice
    fired = (p > coupled_thresholds(p.expand(20_000, -1), draws)).double()
    torch.testing.assert_close(fired.mean(0), p.double(), rtol=0, atol=1e-4)
    assert set(fired.sum(1).tolist()) == {2.0, 3.0}  # 2.5 are expected


def test_a_stochastic_neuron_takes_them() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.3]], requires_grad=True)
    thresholds = coupled_thresholds(torch.sigmoid(logits), torch.tensor([[0.4]]))
    bits = SBN()(logits, thresholds=thresholds)
    assert bits.tolist() == [[float(fires) for fires in comb(torch.sigmoid(logits)[0].tolist(), 0.4)]]
    bits.sum().backward()
    p = torch.sigmoid(logits.detach())
    torch.testing.assert_close(logits.grad, p * (1 - p))  # the estimator's, and nothing by the thresholds


@pytest.mark.parametrize("count", [100, 1000])
def test_many_neurons_lose_nothing_to_rounding(count: int) -> None:
    p = torch.full((count,), 3 / count)
    fired = p > coupled_thresholds(p.expand(50, -1), (torch.arange(50).unsqueeze(1) + 0.5) / 50)
    assert (fired.sum(1) == 3).all()
