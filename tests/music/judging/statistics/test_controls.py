"""Each kind of damage to real chorales is noticed by its own family; the statistics have the values of the chorales."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from damaged_phrases import CONTROLS
from small_phrases import Found

from bgmusic.music.composing import phrase_sources
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.judging.evaluation import family_distances
from bgmusic.music.rolls.phrases import Phrases

NOTICED = {
    "voices shuffled between phrases": {"counterpoint", "harmony"},
    "bars shuffled between phrases": {"form"},
    "a note moved by a semitone in 10% of beats": {"harmony"},
    "melody moved by an octave in 10% of beats": {"melody"},
    "rhythm quantized to quarters": {"rhythm"},
}


@pytest.fixture(scope="module")
def sides():
    corpus = open_corpus("bach")
    half = phrase_sources.open_phrases(Path("bach"), corpus, 300)
    return half, phrase_sources.held_out(corpus), phrase_sources.training(corpus, half=True)


def far(samples, held_out, training):
    return {family.name for family in family_distances(samples, held_out, training).families if family.differs}


def test_undamaged_phrases_are_at_the_floor(sides):
    assert far(*sides) == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTICED)
def test_damage_is_noticed_by_its_own_family(sides, name):
    half, held_out, training = sides
    noticed = far(CONTROLS[name](half), held_out, training)
    assert noticed >= NOTICED[name]
    if len(NOTICED[name]) == 1 and "moved" in name:
        assert len(noticed) <= 2


@pytest.mark.slow
def test_bars_in_another_order_within_phrases_are_noticed_by_form(sides):
    half, held_out, training = sides
    rng = np.random.default_rng(0)
    orders = rng.permuted(np.tile(np.arange(4), (len(half), 1)), axis=1)[:, None, :, None, None]
    planes = [np.take_along_axis(plane, orders, axis=2) for plane in (half.cells, half.onsets)]
    assert "form" in far(Phrases(half.track_set, half.resolution, *planes), held_out, training)


def test_held_out_chorales_have_known_values(sides):
    """The values are those of an independent count over the same 580 phrases; see docs/notes/judge.md."""
    found = Found(sides[1])

    def per_cent(name):
        events, occasions = found.rate(name)
        return 100 * events / occasions

    assert per_cent("parallel fifths") == pytest.approx(0.04, abs=0.005)
    assert per_cent("parallel octaves") == pytest.approx(0.006, abs=0.0005)
    assert per_cent("moves by step") == pytest.approx(74.7, abs=0.1)
    assert per_cent("leaps of a tritone or seventh") == pytest.approx(0.54, abs=0.005)
    assert per_cent("leaps over a fifth") == pytest.approx(2.6, abs=0.05)
    assert per_cent("leaps over an octave") == pytest.approx(0.05, abs=0.005)
    assert per_cent("beats on a triad") == pytest.approx(75.7, abs=0.2)
    assert per_cent("beats on a triad or seventh") == pytest.approx(86.2, abs=0.05)
    assert per_cent("semitone clashes on strong beats") == pytest.approx(3.2, abs=0.15)
    assert per_cent("long holds on a triad") == pytest.approx(93, abs=0.5)
    assert per_cent("crossing tracks") == pytest.approx(2.2, abs=0.05)
    cadences = found.by_name["V-I cadences"].parts[0].mean()
    assert cadences == pytest.approx(0.48, abs=0.005)
