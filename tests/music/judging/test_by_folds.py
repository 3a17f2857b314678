"""Comparison with all real pieces by folds, where held-out pieces are too few to tell."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from small_phrases import melody, phrases

from bgmusic.music.judging.by_folds import compare_by_folds, piece_count
from bgmusic.music.judging.evaluation import evaluate


def two_voices(number, parallel, seed, pieces):
    """Phrases whose voices move in octaves, or contrary to each other; three successive phrases to a piece."""
    rng = np.random.default_rng(seed)

    def phrase():
        steps = rng.choice([-2, -1, 1, 2], 7)
        upper = (72 + np.concatenate([[0], steps.cumsum()])).tolist()
        lower = (48 + np.concatenate([[0], (steps if parallel else -steps).cumsum()])).tolist()
        return [*melody(*upper), *melody(*lower, track=1)]

    made = phrases(*[phrase() for _ in range(number)], bars=2)
    return replace(made, pieces=np.arange(number) % pieces)


@pytest.fixture(scope="module")
def real():
    return two_voices(36, False, 0, 12), two_voices(10, False, 1, 2)


def test_real_music_is_at_the_floor_and_faults_are_named(real):
    same, faults = compare_by_folds(two_voices(30, False, 2, 30), *real, seed=0, tested=30)
    assert same.pieces == 14
    assert same.phrases == 46
    assert not faults
    assert not any(family.differs for family in same.families)
    assert same.family_distance.mean < 1.3 * same.family_floor.mean
    assert same.two_sample.low <= 0.5
    other, faults = compare_by_folds(two_voices(30, True, 2, 30), *real, seed=0, tested=0)
    assert other.two_sample is None
    assert "counterpoint" in {family.name for family in other.families if family.differs}
    assert "parallel octaves" in {fault.name for fault in faults}


def test_too_few_real_pieces_are_not_compared(real):
    assert compare_by_folds(real[0], two_voices(30, False, 3, 7), real[1], seed=0, tested=0) is None


def test_the_verdict_says_that_held_out_pieces_are_too_few(real):
    training, held_out = real
    found = evaluate(two_voices(30, True, 2, 30), held_out, training)
    words = found.verdict()
    assert found.held_out_pieces == piece_count(held_out) == 2
    assert words[0] == (
        "held-out pieces: 2, too few to tell; compared by folds with all 14 real pieces, training and held-out"
    )
    assert "farther from others than real pieces" in words[1]
    assert "counterpoint" in words[1]
    assert "parallel octaves" in words[2]
    test = next(line for line in words if line.startswith("two-sample test"))
    assert "from real ones" in test
    json.dumps(found.as_dict(), allow_nan=False)


def test_the_verdict_without_enough_real_pieces(real):
    found = evaluate(two_voices(30, False, 2, 30), real[1], two_voices(30, False, 3, 7))
    assert found.by_folds is None
    words = found.verdict()
    assert "too few to tell, as are all real pieces" in words[0]
    assert "no family differs clearly" in words[1]


def test_a_corpus_with_enough_held_out_pieces_has_no_folds(real):
    found = evaluate(two_voices(30, False, 2, 30), two_voices(20, False, 3, 20), real[0])
    assert found.by_folds is None
    assert found.held_out_pieces == 20
    assert "too few" not in " ".join(found.verdict())
