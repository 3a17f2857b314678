"""Mean distances of families, standard errors, and the faults of phrases."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
import torch
from small_phrases import melody, phrases

from bgmusic.music.judging.evaluation import evaluate
from bgmusic.music.judging.families import Compared, mean_over, resample
from bgmusic.music.judging.faults import place
from bgmusic.music.judging.metrics.distributions import Distribution, deviation, distance, overlap
from bgmusic.music.judging.results import Fault
from bgmusic.music.judging.statistics import Example, Statistic
from bgmusic.music.judging.statistics.statistic import FAMILIES


def nominal(*counts):
    return Distribution(torch.arange(1, len(counts[0]) + 1).double(), torch.tensor(counts).double(), nominal=True)


def test_categories_have_the_total_variation_distance():
    one, other = nominal([6, 2, 0]), nominal([2, 2, 4])
    scale = deviation(one)
    # Half the chance that two observations differ: 1 - 9/16 - 1/16.
    assert scale == pytest.approx((6 / 16 / 2) ** 0.5)
    assert distance(one, other, scale).item() == pytest.approx(0.5 / scale)
    assert distance(one, one, scale).item() == 0
    assert overlap(one, other) == pytest.approx(0.5)
    assert isnan(one.mean())


def test_two_categories_are_as_far_as_two_numbers():
    pairs = [([9, 1], [5, 5]), ([10, 0], [3, 7])]
    for first, second in pairs:
        as_numbers = [
            Distribution(torch.tensor([0.0, 1.0]).double(), torch.tensor([c]).double()) for c in (first, second)
        ]
        as_categories = [nominal(c) for c in (first, second)]
        scales = [deviation(*side) for side in (as_numbers, as_categories)]
        assert scales[0] == pytest.approx(scales[1])
        far = [distance(*side, 0.3).item() for side in (as_numbers, as_categories)]
        assert far[0] == pytest.approx(far[1])


def test_no_observations_are_a_category_of_their_own():
    assert distance(nominal([0, 0]), nominal([3, 3]), 0.5).item() == pytest.approx(1 / 0.5)


def rate(*events, phrases=40):
    """Return a rate whose phrases have events out of ten."""
    counts = torch.tensor([[10 - event, event] for event in events]).double()
    part = Distribution(torch.tensor([0.0, 1.0]).double(), counts)
    return Statistic("events", (part,), family="melody", unit="moves", fault="more")


def test_the_standard_error_of_a_rate_is_that_of_its_mean():
    rng = np.random.default_rng(0)
    events = rng.integers(0, 5, 200)
    data = rate(*events)
    compared = Compared(rate(*events[:50]), data, rate(*events[50:]))
    weights = resample(torch.arange(200), torch.Generator().manual_seed(0))
    scale = compared.parts[0].scale
    expected = events.std() / 10 / 200**0.5
    assert compared.standard_error(weights) * scale == pytest.approx(expected, rel=0.15)


def test_an_event_that_the_data_never_show_has_the_error_of_one():
    data = rate(*[0] * 30)
    weights = resample(torch.arange(30), torch.Generator().manual_seed(0))
    compared = Compared(rate(5), data, data)
    assert compared.standard_error(weights) == pytest.approx(1 / 300 / 0.05)


def test_resampling_counts_whole_pieces():
    groups = torch.tensor([0, 0, 1, 2, 2, 2])
    weights = resample(groups, torch.Generator().manual_seed(0))
    assert weights[0].tolist() == [1] * 6
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[1:, [0, 2, 3]].sum(1) == 3).all()


def test_the_interval_holds_the_mean():
    drawn = torch.tensor([1.0, *np.random.default_rng(0).normal(1.5, 0.1, 500)], dtype=torch.float64)
    found = mean_over([drawn])
    assert found.mean == 1
    assert found.low == pytest.approx(0.8, abs=0.05)
    assert found.high == pytest.approx(1.2, abs=0.05)


def test_places_are_counted_from_one():
    given = phrases(melody(60), bars=2)
    assert place(Example(16, 26, ("Soprano", "Bass")), given) == "phrase 17, bar 2, beat 3.5, Soprano and Bass"
    assert place(Example(0, 0), given) == "phrase 1, bar 1, beat 1"


def test_faults_read_as_one_line():
    fault = Fault(
        "parallel octaves", "moves of a pair", 0.0198, 0.0001, 90.0, "phrase 17, bar 2, beat 1, Tenor and Bass"
    )
    assert str(fault) == (
        "parallel octaves: 1.98 per 100 moves of a pair, in the data 0.01: phrase 17, bar 2, beat 1, Tenor and Bass"
    )
    assert str(Fault("V-I cadences", "phrase", 0.26, 0.48, 5.0, "")) == "V-I cadences: 0.26 a phrase, in the data 0.48"


@pytest.fixture(scope="module")
def result():
    """Phrases of parallel octaves, beside phrases of contrary motion."""
    rng = np.random.default_rng(0)

    def phrase(parallel):
        steps = rng.choice([-2, -1, 1, 2], 7)
        upper = (72 + np.concatenate([[0], steps.cumsum()])).tolist()
        lower = (48 + np.concatenate([[0], (steps if parallel else -steps).cumsum()])).tolist()
        return [*melody(*upper), *melody(*lower, track=1)]

    sides = [phrases(*[phrase(parallel) for _ in range(30)], bars=2) for parallel in (True, False, False)]
    return evaluate(*sides)


def test_the_family_and_the_fault_of_parallel_octaves_are_named(result):
    assert {family.name for family in result.families} == set(FAMILIES)
    far = {family.name for family in result.families if family.differs}
    assert "counterpoint" in far
    assert not far & {"rhythm", "melody"}
    assert result.faults[0].name == "parallel octaves"
    assert result.faults[0].example == "phrase 1, bar 1, beat 2, Soprano and Bass"
    words = result.verdict()
    assert "counterpoint" in words[0]
    assert words[1] == str(result.faults[0])


def test_the_mean_gives_families_the_same_weight(result):
    assert result.family_distance.mean == pytest.approx(np.mean([family.distance.mean for family in result.families]))
    for family in result.families:
        rows = [row for row in result.rows if row.family == family.name and not isnan(row.distance)]
        assert family.statistics == len(rows)
        assert family.distance.mean == pytest.approx(np.mean([row.distance for row in rows]))
        assert family.errors == pytest.approx(np.median([row.errors for row in rows]))
    core = [row.distance for row in result.rows if row.core and not isnan(row.distance)]
    assert result.distance.mean == pytest.approx(np.mean(core))


def test_categories_name_the_largest_difference(result):
    row = next(row for row in result.rows if row.name == "kinds of motion")
    assert row.note in ("contrary: 0.0%, in the data 100.0%", "parallel: 100.0%, in the data 0.0%")
    assert isnan(row.samples)
