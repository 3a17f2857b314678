"""Melodic intervals of hand-made phrases, and of random ones by loops."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from small_phrases import Found, melody, phrases

from bgmusic.music.judging.statistics import Example
from bgmusic.music.rolls.phrases import Phrases


def test_intervals_are_those_of_each_track():
    found = Found(phrases([*melody(60, 62, 62, 57), *melody(48, 36, track=1, length=8)]))
    assert found.counts("melodic intervals") == {2: 1, 0: 1, -5: 1}
    assert found.counts("melodic intervals", 1) == {-12: 1}


def test_intervals_wider_than_an_octave_count_as_thirteen():
    assert Found(phrases(melody(48, 72, 50, 51))).counts("melodic intervals") == {13: 1, -13: 1, 1: 1}


def test_rates_count_moves_to_another_pitch():
    # Intervals: +2, 0, +6, -10, +8, -1, +13
    found = Found(phrases(melody(60, 62, 62, 68, 58, 66, 65, 78), bars=2))
    assert found.rate("moves by step") == (2, 6)
    assert found.rate("leaps of a tritone or seventh") == (2, 6)
    assert found.rate("leaps over a fifth") == (3, 6)
    assert found.rate("leaps over an octave") == (1, 6)


def test_a_melody_continues_over_rests():
    assert Found(phrases(melody(60, 0, 0, 62))).counts("melodic intervals") == {2: 1}


def test_a_polyphonic_track_counts_with_its_top_line():
    notes = [(0, 0, 8, 72), (0, 0, 4, 60), (0, 4, 4, 64), (0, 8, 4, 74), (0, 8, 4, 55)]
    assert Found(phrases(notes)).counts("melodic intervals") == {2: 1}


def test_successions_of_intervals():
    # Moves +7, -2, -2, +3, +2: the leap is left by step in the other direction.
    found = Found(phrases(melody(60, 67, 65, 63, 66, 68), bars=2))
    assert found.counts("pairs of melodic intervals") == {
        "leap up, step down": 1,
        "step down, step down": 1,
        "step down, skip up": 1,
        "skip up, step up": 1,
    }
    assert found.rate("turns of the melody") == (2, 4)
    assert found.rate("leaps left by step, turning") == (1, 1)


def test_the_first_fault_is_the_example():
    found = Found(phrases(melody(60, 62, 64, 65), melody(60, 0, 66, 67), melody(60, 71)))
    assert found.example("leaps of a tritone or seventh") == Example(1, 8, ("Soprano",))
    assert found.example("moves by step") == Example(1, 8, ("Soprano",))  # the first that is no step
    assert found.example("leaps over an octave") is None


def test_melodic_intervals_equal_loops():
    rng = np.random.default_rng(0)
    given = phrases([], [], [], bars=2)
    cells = rng.random(given.cells.shape) < 0.02
    onsets = cells & (rng.random(cells.shape) < 0.5)
    random = Phrases(given.track_set, 4, cells, onsets)
    expected: dict[float, int] = {}
    for number in range(3):
        time = cells[number, 0].reshape(32, -1)
        # A cell begins a note at an onset, or after a silent cell.
        line = []
        for step in range(32):
            row = [r for r in range(time.shape[1]) if time[step, r]]
            if row:
                top = row[-1]
                first = step == 0 or not time[step - 1, top] or onsets[number, 0].reshape(32, -1)[step, top]
                line += [top] if first else []
        for one, two in pairwise(line):
            size = max(-13, min(13, two - one))
            expected[size] = expected.get(size, 0) + 1
    assert Found(random).counts("melodic intervals") == dict(sorted(expected.items()))


@pytest.mark.parametrize("notes", [[], melody(60)])
def test_no_moves_give_no_observations(notes):
    found = Found(phrases(notes))
    assert found.counts("melodic intervals") == {}
    assert found.rate("moves by step") == (0, 0)
