"""Test random numbers by seed and number: independent of batch and count, well distributed, and fixed for good."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bgmusic.errors import UserError
from bgmusic.gan.draws import MAX_NUMBER, Draws, batches

SEEDS = st.integers(0, 2**63 - 1)
SIZES = st.integers(1, 70)


@given(seed=SEEDS, first=st.integers(0, MAX_NUMBER - 20), count=st.integers(1, 17), size=SIZES, part=st.integers(0, 9))
def test_a_sample_has_the_same_numbers_alone_and_among_others(
    seed: int, first: int, count: int, size: int, part: int
) -> None:
    together = Draws(seed, first, count, part)
    for number in range(count):
        alone = Draws(seed, first + number, 1, part)
        assert torch.equal(alone.noise(size)[0], together.noise(size)[number])
        assert torch.equal(alone.thresholds((size, 2))[0], together.thresholds((size, 2))[number])


@given(seed=SEEDS, first=st.integers(0, 100), count=st.integers(1, 40), size=st.integers(1, 20))
def test_batches_have_one_size_and_hold_each_wanted_sample_at_its_place(
    seed: int, first: int, count: int, size: int
) -> None:
    numbers = []
    for draws, wanted in batches(seed, first, count, size):
        assert (draws.seed, draws.count, draws.first % size) == (seed, size, 0)
        numbers += range(draws.first, draws.first + size)[wanted]
    assert numbers == [*range(first, first + count)]


def test_seeds_numbers_parts_and_kinds_are_independent() -> None:
    rows = [
        Draws(seed, first, 1, part).thresholds((1000,))
        for seed in (0, 1, 2**32, 2**63 - 1)
        for first in (0, 1, 2**33)
        for part in (0, 1, 2)
    ]
    normal = torch.special.ndtr(Draws(0, 0, 1).noise(1000).double()).float()
    correlations = np.corrcoef(torch.cat([*rows, normal]).numpy())
    assert np.abs(correlations - np.eye(len(correlations))).max() < 0.16  # 5 standard errors


def test_distributions() -> None:
    noise, uniform = Draws(3, 0, 100).noise(10_000).double(), Draws(3, 0, 100).thresholds((10_000,)).double()
    assert abs(noise.mean()) < 0.005
    assert abs(noise.std() - 1) < 0.005
    assert abs((noise.abs() > 3).double().mean() - 0.0027) < 0.0003
    assert noise.isfinite().all()
    assert 0 <= uniform.min() < 1e-5
    assert 1 - 1e-5 < uniform.max() < 1
    counts = np.histogram(uniform.numpy(), 20, (0, 1))[0]
    assert (np.abs(counts - 50_000) < 5 * 50_000**0.5).all()


def test_numbers_stay_the_same_for_good() -> None:
    """Music that users found by its seed must come again with the next version."""
    assert Draws(7, 3, 1).thresholds((4,)).tolist() == [
        [0.3022921681404114, 0.09311890602111816, 0.16730725765228271, 0.3620203137397766]
    ]
    expected = torch.tensor([[-0.8222041726112366, -0.14576835930347443, 1.1076022386550903, 1.0134103298187256]])
    torch.testing.assert_close(Draws(7, 3, 1).noise(4), expected, rtol=1e-6, atol=0)


def test_numbers_out_of_range_are_refused() -> None:
    for seed, first, count, phrase in (
        (-1, 0, 1, "seed"),
        (2**64, 0, 1, "seed"),
        (0, 0, 0, "1 or more, not 0"),
        (0, -1, 1, "not -1"),
        (0, MAX_NUMBER, 1, str(MAX_NUMBER)),
    ):
        with pytest.raises(UserError, match=phrase):
            batches(seed, first, count, 1)
