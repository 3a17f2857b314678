"""Motion of pairs of tracks in hand-made phrases."""

from __future__ import annotations

from small_phrases import Found, melody, phrases

from bgmusic.music.judging.statistics import Example


def two(upper, lower, **options):
    return phrases([*melody(*upper), *melody(*lower, track=1)], **options)


def test_kinds_of_motion():
    # +2/+2 parallel, +1/-1 contrary, -3/-1 similar, 0/+2 oblique
    found = Found(two((67, 69, 70, 67, 67), (60, 62, 61, 60, 62), bars=2))
    assert found.counts("kinds of motion") == {"parallel": 1, "contrary": 1, "similar": 1, "oblique": 1}
    assert found.counts("parallel intervals") == {"P5": 1}


def test_parallels_are_counted_against_moves_of_both():
    # Fifth to fifth, octave to octave, then an oblique move that does not count.
    found = Found(two((67, 69, 74, 76, 76), (60, 62, 62, 64, 60), bars=2))
    assert found.rate("parallel fifths") == (1, 2)
    assert found.rate("parallel octaves") == (1, 2)
    assert found.example("parallel fifths") == Example(0, 4, ("Soprano", "Bass"))
    assert found.example("parallel octaves") == Example(0, 12, ("Soprano", "Bass"))


def test_twelfths_and_unisons_count_as_fifths_and_octaves():
    assert Found(two((67, 69), (48, 50))).rate("parallel fifths") == (1, 1)
    assert Found(two((60, 62), (60, 62))).rate("parallel octaves") == (1, 1)


def test_repeated_fifths_and_fifths_by_contrary_motion_are_no_parallels():
    assert Found(two((67, 67, 55), (60, 60, 72))).rate("parallel fifths") == (0, 1)


def test_a_rest_interrupts_a_pair():
    assert Found(two((67, 0, 69), (60, 0, 62))).rate("parallel fifths") == (0, 0)


def test_similar_motion_into_a_perfect_interval():
    # +5/+2 into a fifth, +3/+10 into an octave, -4/-2 into a sixth.
    found = Found(two((64, 69, 72, 68), (60, 62, 72, 60)))
    assert found.rate("similar motion into a fifth or octave") == (2, 3)


def test_crossing_is_counted_by_step():
    found = Found(two((60, 60), (55, 64)))
    assert found.rate("crossing tracks") == (4, 8)
    assert found.example("crossing tracks") == Example(0, 4, ("Soprano", "Bass"))


def test_all_pairs_of_three_tracks():
    chords = [note for track, pair in enumerate(((67, 69), (60, 62), (48, 50))) for note in melody(*pair, track=track)]
    found = Found(phrases(chords, voices=("S", "A", "B")))
    assert found.rate("parallel fifths") == (2, 3)
    assert found.rate("parallel octaves") == (1, 3)


def test_one_track_has_no_counterpoint():
    found = Found(phrases(melody(60, 62), voices=("Soprano",)))
    assert "kinds of motion" not in found.by_name
    assert "moves by step" in found.by_name
