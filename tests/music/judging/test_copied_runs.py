"""The longest runs of notes that occur in training phrases: hand-made ones, and random ones by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_phrases import melody, phrases

from bgmusic.errors import UserError
from bgmusic.music.judging.copied_runs import copied_runs


def runs(samples, *training, **options):
    found = copied_runs(phrases(samples, **options), phrases(*training, **options))
    return found.tracks[0].tolist(), int(found.together[0])


def test_runs_are_found_in_any_key_and_at_any_time():
    known = melody(60, 64, 67, 65)
    copy = [(0, onset + 3, length, pitch + 5) for _, onset, length, pitch in melody(60, 64, 67, length=4)]
    assert runs(copy, known) == ([3, 0], 3)


def test_intervals_and_times_must_agree():
    assert runs(melody(60, 64, 67), melody(60, 64, 66)) == ([2, 0], 2)
    assert runs(melody(60, 64, 67), melody(60, 64, 67, length=3)) == ([1, 0], 1)
    assert runs(melody(60, 64, 67), melody(60, 64, 67, track=1)) == ([1, 0], 1)


def test_lengths_of_notes_do_not_matter():
    short = [(0, onset, 1, pitch) for _, onset, _, pitch in melody(60, 64, 67)]
    assert runs(melody(60, 64, 67), short) == ([3, 0], 3)


def test_tracks_together_keep_their_distance():
    two = [*melody(60, 64, 67), *melody(48, 47, 45, track=1)]
    moved = [(track, onset, length, pitch + 3 * track) for track, onset, length, pitch in two]
    assert runs(two, two) == ([3, 3], 6)
    assert runs(two, moved) == ([3, 3], 1)


def test_drums_are_not_transposed():
    beat = [(0, onset, 1, pitch) for onset, pitch in ((0, 40), (4, 45), (8, 40))]
    higher = [(0, onset, 1, pitch + 1) for _, onset, _, pitch in beat]
    drums = {"voices": (), "drums": 1}
    assert runs(beat, beat, **drums) == ([3], 3)
    assert runs(beat, higher, **drums) == ([1], 1)


def test_runs_do_not_reach_beyond_a_training_phrase():
    line = melody(60, 62, 65, 66)
    assert runs(line, line[:2], line[2:]) == ([2, 0], 2)


def test_silence_and_single_notes():
    assert runs([], melody(60, 62)) == ([0, 0], 0)
    assert runs(melody(60), melody(60, 62)) == ([1, 0], 1)
    assert runs([], []) == ([0, 0], 0)


def test_other_tracks_are_rejected():
    with pytest.raises(UserError, match="tracks"):
        copied_runs(phrases([]), phrases([], drums=1))


def brute(sample, training):
    """Compare all substrings of two lists of notes (onset, pitch)."""
    best = min(1, len(sample))
    for first in range(len(sample)):
        for other in range(len(training)):
            size = 0
            while first + size < len(sample) and other + size < len(training):
                mine, known = sample[first + size], training[other + size]
                if (mine[0] - sample[first][0], mine[1] - sample[first][1]) != (
                    known[0] - training[other][0],
                    known[1] - training[other][1],
                ):
                    break
                size += 1
            best = max(best, size)
    return best


@given(st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_runs_equal_brute_force(seed):
    rng = np.random.default_rng(seed)

    def line():
        onsets = np.flatnonzero(rng.random(32) < 0.6)
        return [(int(onset), int(rng.integers(60, 63))) for onset in onsets]

    samples, training = [line() for _ in range(3)], [line() for _ in range(4)]
    as_phrases = [
        phrases(*[[(0, onset, 1, pitch) for onset, pitch in one] for one in side], bars=2)
        for side in (samples, training)
    ]
    found = copied_runs(*as_phrases)
    expected = [max(brute(sample, known) for known in training) for sample in samples]
    assert found.tracks[:, 0].tolist() == expected
    assert found.together.tolist() == expected
