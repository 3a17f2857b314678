"""Rhythm, drums, texture and form of hand-made phrases."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_phrases import Found, block, melody, phrases

from bgmusic.music.judging.statistics import Example, all_statistics, order_statistics
from bgmusic.music.judging.statistics.statistic import FAMILIES

ONE = {"voices": ("Soprano",)}


def test_ratios_of_durations_are_powers_of_two():
    # Durations from onset to onset: 4, 4, 2, 6.
    notes = [(0, onset, 1, 60) for onset in (0, 4, 8, 10, 16)]
    assert Found(phrases(notes, **ONE, bars=2)).counts("ratios of durations") == {0: 1, -1: 1, 1.5: 1}


def test_patterns_of_onsets_within_a_quarter():
    notes = [(0, onset, 1, 60) for onset in (0, 3, 4, 6, 15)] + [(0, 0, 1, 64)]
    assert Found(phrases(notes, **ONE)).counts("beat patterns") == {"x..x": 1, "x.x.": 1, "...x": 1}
    triplets = [(0, onset, 1, 60) for onset in (0, 4, 8, 12, 18)]
    found = Found(phrases(triplets, **ONE, steps=48, resolution=12))
    assert found.counts("beat patterns") == {"x.x.x.": 1, "x..x..": 1}
    short = Found(phrases([(0, 4, 1, 60)], **ONE, steps=6, metres=[(3, 8)]))
    assert short.counts("beat patterns") == {"x...": 1}


def test_rhythms_that_return():
    bars = ((0, 8), (0, 8), (0, 4), (0, 8))
    notes = [(0, 16 * bar + step, 1, 60 + bar) for bar, steps in enumerate(bars) for step in steps]
    found = Found(phrases(notes, **ONE, bars=5))  # the last bar is silent
    assert found.rate("bar rhythms that return in the next bar") == (1, 4)
    assert found.rate("bar rhythms that return 2 bars later") == (1, 3)


def test_syncopation_is_held_over_the_next_beat():
    held, released, again = (0, 2, 4, 60), (0, 10, 1, 60), (0, 14, 1, 60)
    found = Found(phrases([(0, 0, 2, 62), held, released, again], **ONE))
    # The last onset has no beat after it.
    assert found.rate("syncopation") == (1, 3)
    assert found.example("syncopation") == Example(0, 2, ("Soprano",))


def test_tracks_that_strike_together():
    notes = [(0, 0, 4, 60), (1, 0, 4, 48), (1, 4, 4, 50), (2, 4, 1, 40), (2, 4, 1, 42)]
    assert Found(phrases(notes, drums=1)).counts("tracks that strike together") == {2: 2}


def test_drum_patterns_and_fills():
    beat = [(1, 16 * bar + step, 1, 40) for bar in (0, 2, 3) for step in (0, 4, 8, 12)]
    fill = [(1, 16 + step, 1, 45) for step in (8, 10, 12, 14)]
    found = Found(phrases([*beat, *fill], voices=("Soprano",), drums=1, bars=4))
    assert found.counts("drum instruments") == {"pitch 40": 12, "pitch 45": 4}
    assert found.rate("drum bars that return in the next bar") == (1, 3)
    assert found.rate("drum bars that return 2 bars later") == (1, 2)
    assert found.rate("drum fills") == (1, 1)


def test_drums_alone_have_no_melody():
    found = Found(phrases([(0, 0, 1, 40)], voices=(), drums=1, bars=2))
    assert "melodic intervals" not in found.by_name
    assert found.rate("drum bars that return in the next bar") == (0, 1)


def test_texture_counts_notes_tracks_and_span():
    notes = [(0, 0, 4, 72), (0, 0, 4, 76), (1, 0, 8, 48)]
    found = Found(phrases(notes, bars=2))
    assert found.counts("notes per bar of each track") == {2: 1, 0: 1}
    assert found.counts("active tracks per bar") == {2: 1, 0: 1}
    assert found.counts("span from bass to top") == {28: 1, 0: 1}


def test_register_is_the_mean_of_sounding_pitches():
    notes = [(0, 0, 4, 72), (0, 0, 4, 76), (0, 4, 1, 60), (1, 0, 8, 48)]
    found = Found(phrases(notes, bars=2))
    mean = (4 * 72 + 4 * 76 + 60) / 9
    assert found.counts("register of each track") == {round(8 * mean) / 8: 1}
    assert [float(part.mean()) for part in found.by_name["register of each track"].parts] == [round(8 * mean) / 8, 48]


def test_bars_alike_by_distance():
    bar = [(0, 0, 4, 60), (0, 4, 4, 62)]
    half = [(0, 0, 4, 60), (0, 4, 4, 64)]
    placed = [
        (0, 16 * number + onset, 4, pitch) for number, one in enumerate((bar, bar, half)) for _, onset, _, pitch in one
    ]
    found = Found(phrases(placed, **ONE, bars=3))
    assert found.counts("bars alike, by distance", 0) == {1.0: 1, 0.5: 1}
    assert found.counts("bars alike, by distance", 1) == {0.5: 1}
    assert found.counts("rhythms alike, by distance", 0) == {1.0: 2}
    assert found.counts("harmonies alike, by distance", 1) == {0.5: 1}
    assert found.rate("bars repeated literally") == (1, 2)


def test_long_phrases_compare_bars_at_distances_up_to_sixteen():
    found = Found(phrases(melody(*[60] * 17, length=16), **ONE, bars=17))
    assert len(found.by_name["bars alike, by distance"].parts) == 6
    assert found.counts("bars alike, by distance", 5) == {1.0: 1}


def test_bar_lines_are_crossed_by_intervals_and_held_notes():
    notes = [(0, 0, 4, 60), (0, 12, 8, 64), (0, 24, 8, 65), (0, 32, 4, 60)]
    found = Found(phrases(notes, **ONE, bars=3))
    assert found.counts("intervals over bar lines") == {1: 1, 5: 1}
    assert found.rate("moves over bar lines by step") == (1, 2)
    assert found.rate("notes held over bar lines") == (1, 2)
    assert found.example("notes held over bar lines") == Example(0, 16, ("Soprano",))


def test_roots_move_from_the_last_beat_to_the_first():
    voices = ("S", "A", "B")
    chords = [
        *block(0, 12, 64, 60, 55),
        *block(12, 4, 71, 67, 62),
        *block(16, 16, 67, 64, 60),
        *block(32, 4, 60, 61, 62),
    ]
    found = Found(phrases(chords, voices=voices, bars=3))
    assert found.counts("root motion over bar lines") == {"5 up": 1}


def test_phrases_of_one_bar_have_no_form():
    assert {one.family for one in Found(phrases(melody(60, 62))).by_name.values()} == set(FAMILIES) - {"form"}


def test_every_statistic_has_a_family_and_a_name_of_its_own():
    found = all_statistics(phrases(melody(60, 62), drums=1, bars=4))
    assert {one.family for one in found} == set(FAMILIES)
    assert len({one.name for one in found}) == len(found)


@given(seed=st.integers(0, 2**31), density=st.sampled_from([0.0, 0.01, 0.2, 1.0]), drums=st.integers(0, 1))
@settings(max_examples=25, deadline=None)
def test_statistics_do_not_depend_on_batches(seed, density, drums):
    rng = torch.Generator().manual_seed(seed)
    shape = phrases([], drums=drums, bars=3, steps=12)
    cells = (torch.rand(7, *shape.cells.shape[1:], generator=rng) < density).numpy()
    onsets = cells & (torch.rand(cells.shape, generator=rng) < 0.5).numpy()
    metres = torch.randint(2, (7,), generator=rng).numpy()
    both = [[(3, 4), (6, 8)][kind] for kind in metres]
    given = phrases(*[[]] * 7, drums=drums, bars=3, steps=12, metres=both)
    given.cells[:], given.onsets[:] = cells, onsets
    whole, parts = order_statistics(given), order_statistics(given, cells=1)
    for one, other in zip(whole, parts, strict=True):
        assert one.name == other.name
        assert one.example == other.example
        for p, q in zip(one.parts, other.parts, strict=True):
            assert torch.equal(p.counts, q.counts)
            assert len(p.counts) == 7
