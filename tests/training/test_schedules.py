"""Test schedules against values worked by hand from the papers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.gan import schedules as game_schedules
from bgmusic.gan.game_config import PenaltyConfig, WarmupConfig
from bgmusic.training import schedules
from bgmusic.training.loop_config import AverageConfig, OptimizerConfig, SlopeConfig
from bgmusic.yaml import load_preset


def test_the_paper_preset_makes_the_updates_of_the_paper() -> None:
    """20 epochs of 937 batches; 100 D updates at the first 25 G updates and at every 500th, else 5."""
    training = DigitsConfig.model_validate(load_preset("mnist", "paper")).training
    updates = [
        game_schedules.discriminator_updates(training.d_updates, training.warmup, step)
        for step in range(training.steps)
    ]
    assert training.steps == 20 * 937 == 18_740
    assert sum(updates) == 99_590
    assert set(updates) == {5, 100}
    assert updates[:26] == [100] * 25 + [5]
    assert [step for step, n in enumerate(updates) if n == 100 and step >= 25] == list(range(500, 18_740, 500))


def test_discriminator_updates_with_and_without_warmup() -> None:
    assert [game_schedules.discriminator_updates(3, None, step) for step in (0, 24, 500)] == [3, 3, 3]
    once = WarmupConfig(updates=7, first=0, every=10)
    assert [game_schedules.discriminator_updates(1, once, step) for step in (0, 1, 10, 11)] == [7, 1, 7, 1]


@pytest.mark.parametrize(
    ("kind", "progress", "rate"),
    [
        ("constant", 0.0, 2.0),
        ("constant", 1.0, 2.0),
        ("linear", 0.0, 2.0),
        ("linear", 0.2, 2.0),
        ("linear", 0.6, 1.25),  # half of the way from 2 to 0.5
        ("linear", 1.0, 0.5),
        ("cosine", 0.2, 2.0),
        ("cosine", 0.4, 0.5 + 1.5 * (1 + math.sqrt(0.5)) / 2),
        ("cosine", 0.6, 1.25),
        ("cosine", 1.0, 0.5),
    ],
)
def test_learning_rate(kind: str, progress: float, rate: float) -> None:
    config = OptimizerConfig.model_validate({"rate": 2.0, "schedule": kind, "decay_from": 0.2, "final": 0.25})
    assert schedules.learning_rate(config, progress) == pytest.approx(rate)


@given(
    kind=st.sampled_from(["constant", "linear", "cosine"]),
    decay_from=st.floats(0, 1),
    final=st.floats(0, 1),
    progress=st.floats(0, 1),
)
def test_learning_rate_stays_within_its_bounds(kind: str, decay_from: float, final: float, progress: float) -> None:
    config = OptimizerConfig.model_validate({"rate": 1.0, "schedule": kind, "decay_from": decay_from, "final": final})
    assert final - 1e-12 <= schedules.learning_rate(config, progress) <= 1 + 1e-12


def test_slope_grows_by_a_factor_each_epoch() -> None:
    config = SlopeConfig(growth=1.1, every=937)
    for step, epochs in ((0, 0), (936, 0), (937, 1), (18_739, 19), (18_740, 20)):
        assert schedules.slope(config, step) == pytest.approx(1.1**epochs)


def test_slope_stops_at_its_limit_without_overflow() -> None:
    config = SlopeConfig(growth=10, every=1, limit=50)
    assert [schedules.slope(config, step) for step in (0, 1, 2, 10**9)] == pytest.approx([1, 10, 50, 50])
    assert schedules.slope(SlopeConfig(), 10**9) == 1


@pytest.mark.parametrize(
    ("first", "last", "halfway"),
    [(8.0, None, 8.0), (16.0, 1.0, 4.0), (1.0, 100.0, 10.0), (0.0, 3.0, 1.5), (3.0, 0.0, 1.5)],
)
def test_penalty_weight(first: float, last: float | None, halfway: float) -> None:
    config = PenaltyConfig(kind="r1r2", weight=first, final_weight=last)
    ends = first, halfway, first if last is None else last
    assert [game_schedules.penalty_weight(config, p) for p in (0, 0.5, 1)] == pytest.approx(ends)


def test_penalty_weight_does_not_overflow() -> None:
    config = PenaltyConfig(kind="r1r2", weight=1e-300, final_weight=1e300)
    assert game_schedules.penalty_weight(config, 0.0) == pytest.approx(1e-300)
    assert game_schedules.penalty_weight(config, 0.5) == pytest.approx(1, rel=1e-9)


def test_the_decay_of_the_average_rises_from_zero() -> None:
    config = AverageConfig(horizon=1000, ramp=0.1)
    decays = [schedules.average_decay(config, step) for step in (1, 10, 20, 100, 10_000, 10**7)]
    assert decays == pytest.approx([0, 0, 0.5, 0.9, 0.999, 0.999])
    assert schedules.average_decay(AverageConfig(ramp=0.0), 10**6) == 0  # follows G itself
