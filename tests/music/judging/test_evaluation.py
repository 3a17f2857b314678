"""Evaluation detects noise, silence, shuffled bars, transposed tracks and copies, each by the measure meant for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bgmusic.errors import UserError
from bgmusic.music.composing import phrase_sources
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.copying import known_bars, nearest, notes_in_common
from bgmusic.music.judging.evaluation import evaluate
from bgmusic.music.judging.metrics.distributions import deviation, distance
from bgmusic.music.judging.statistics import statistics
from bgmusic.music.judging.two_sample import two_sample


def spread(phrases, number):
    return phrases[np.linspace(0, len(phrases) - 1, number).astype(int)]


@pytest.fixture(scope="module")
def bach():
    """80 held-out phrases, and as many of either half of the training set."""
    corpus = open_corpus("bach")
    halves = [spread(corpus_phrases(corpus, numbers), 80) for numbers in phrase_sources.halves(corpus)]
    return spread(phrase_sources.held_out(corpus), 80), *halves


def changed(phrases, change):
    cells, onsets = (change(torch.from_numpy(plane)).numpy() for plane in (phrases.cells, phrases.onsets))
    return replace(phrases, cells=cells, onsets=onsets, pieces=None)


def distances(samples, data):
    found = {}
    for mine, real in zip(statistics(samples), statistics(data), strict=True):
        parts = [distance(p, q, deviation(q)).item() for p, q in zip(mine.parts, real.parts, strict=True) if q]
        found[mine.name] = float(np.mean(parts))
    return found


def transposed_by_track(phrases):
    shifts = (0, 1, -1, 2)
    return changed(phrases, lambda x: torch.stack([x[:, t].roll(k, -1) for t, k in enumerate(shifts)], 1))


def shuffled_bars(phrases):
    rng = torch.Generator().manual_seed(0)
    order = torch.randperm(len(phrases) * 4, generator=rng)

    def shuffle(planes):
        return planes.transpose(1, 2).flatten(0, 1)[order].unflatten(0, (-1, 4)).transpose(1, 2)

    return changed(phrases, shuffle)


@pytest.mark.slow
def test_the_other_half_of_the_training_set_is_at_the_floor():
    corpus = open_corpus("bach")
    half = phrase_sources.open_phrases(Path("bach"), corpus, 580)
    found = evaluate(half, phrase_sources.held_out(corpus), phrase_sources.training(corpus, half=True))
    assert found.distance.mean < 1.5 * found.floor.mean
    assert found.distance.low <= found.floor.high
    assert found.two_sample.low <= 0.5 <= found.two_sample.high
    assert found.floor_two_sample.low <= 0.5 <= found.floor_two_sample.high
    assert found.two_sample.precision > 0.6
    assert found.two_sample.recall > 0.6
    words = found.verdict()
    assert "as close to held-out pieces" in words[0]
    assert not found.faults
    assert "no clear difference" in words[1]
    assert "no better than" in words[2]
    assert "no more than in held-out" in words[3]
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.slow
def test_noise_is_far_and_distinguished(bach):
    held_out, half, training = bach
    rng = torch.Generator().manual_seed(0)
    noise = changed(half, lambda x: torch.rand(x.shape, generator=rng) < x.float().mean())
    found = evaluate(spread(noise, 40), held_out, training)
    assert found.distance.low > 10 * found.floor.high
    assert found.two_sample.low > 0.9
    assert found.two_sample.precision < 0.1
    words = found.verdict()
    assert "far from" in words[-3]
    assert "easily distinguishes" in words[-2]


def test_silence_has_distances_and_no_notes(bach):
    held_out, half, training = bach
    silence = changed(half, torch.zeros_like)
    apart = distances(silence, held_out)
    assert min(apart[name] for name in ("notes per bar", "empty bars", "voices", "qualified notes")) > 3
    assert notes_in_common(silence, training).tolist() == [0.0] * len(silence)
    assert known_bars(silence, training) == 0


@pytest.mark.slow
def test_silence_is_evaluated_to_the_end(bach):
    held_out, half, training = bach
    found = evaluate(spread(changed(half, torch.zeros_like), 40), held_out, training)
    assert found.two_sample.low > 0.9
    assert found.copying.copies == 0
    assert found.copying.known_bars == 0
    words = found.verdict()
    assert "far from" in words[-3]
    assert "easily distinguishes" in words[-2]
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.slow
def test_copies_of_the_training_set_are_near_and_reported_as_copies(bach):
    held_out, _, training = bach
    found = evaluate(spread(training, 40), held_out, training)
    assert found.distance.low <= found.floor.high
    assert found.two_sample.low <= max(0.5, found.floor_two_sample.high)
    assert found.copying.copies == 1
    assert found.held_out_copying.copies < 0.5
    assert "parts are copied" in found.verdict()[-1]


@pytest.mark.slow
def test_shuffled_bars_are_detected_by_the_network_and_the_pitches_of_phrases(bach):
    held_out, half, _ = bach
    shuffled = shuffled_bars(half)
    apart, usual = distances(shuffled, held_out), distances(half, held_out)
    # The bars are unchanged, but the phrase has no single key.
    for name in ("notes per bar", "voices", "note lengths", "tonal distance"):
        assert apart[name] < usual[name] + 0.1
    for name in ("pitch classes per phrase", "in-scale rate"):
        assert apart[name] > usual[name] + 0.3
    assert two_sample(shuffled, held_out).low > 0.5


def test_transposed_tracks_are_detected_by_harmony(bach):
    held_out, half, _ = bach
    apart, usual = distances(transposed_by_track(half), held_out), distances(half, held_out)
    for name in ("notes per bar", "voices", "note lengths", "onset positions"):
        assert apart[name] == pytest.approx(usual[name], abs=0.02)
    for name in ("tonal distance", "pitch classes per step", "in-scale rate", "pitch classes per phrase"):
        assert apart[name] > usual[name] + 0.5


def test_copies_are_found_in_any_key(bach):
    held_out, half, training = bach
    copies = changed(training, lambda x: x.roll(2, -1))
    copies = copies[~copies.cells[..., :2].any((1, 2, 3, 4))]  # none left the grid at the top
    assert notes_in_common(copies, training).min() > 0.99
    assert notes_in_common(held_out, training).median() < 0.7
    assert known_bars(training, training) == 1
    assert known_bars(held_out, training) < 0.1
    found = notes_in_common(half, training)
    assert found.median() < 0.7


def test_notes_in_common_equals_loops():
    corpus = open_corpus("freedoom")
    some, others = (corpus_phrases(corpus, np.arange(start, start + 3)) for start in (0, 1500))

    def notes(roll, shift):
        drums = [track.is_drum for track in roll.track_set.tracks]
        return {(t, o, p if drums[t] else p + shift) for t, o, _, p in roll.notes().tolist()}

    found = nearest(some, others)
    for i in range(3):
        shares = {}
        for j in range(3):
            theirs = notes(others.roll(j), 0)
            for shift in range(-12, 13):
                mine = notes(some.roll(i), shift)
                shares[j, shift] = 2 * len(mine & theirs) / (len(mine) + len(theirs))
        best = max(shares.values())
        assert found.share[i] == pytest.approx(best, rel=1e-5)
        assert shares[int(found.index[i]), int(found.shift[i])] == pytest.approx(best)
    assert notes_in_common(some, others).tolist() == found.share.tolist()


def test_a_transposed_copy_is_attributed_to_its_original(bach):
    _, _, training = bach
    chosen = np.array([5, 17, 60])
    found = nearest(changed(training[chosen], lambda x: x.roll(2, -1)), training)
    assert found.index.tolist() == chosen.tolist()
    assert found.shift.tolist() == [-2, -2, -2]
    assert found.share.min() > 0.99


@pytest.mark.slow
def test_evaluation_is_repeatable_and_reads_either_encoding(bach):
    held_out, half, training = bach
    few = [spread(part.encoded("pause"), 20) for part in (half, held_out)]
    one, two = (evaluate(few[0], side, training, seed=5) for side in (few[1], spread(held_out, 20)))
    assert one.as_dict() == two.as_dict()


def test_too_few_phrases_or_other_tracks_are_rejected(bach):
    held_out, half, training = bach
    with pytest.raises(UserError, match="too few samples to compare: 9 phrases"):
        evaluate(half[:9], held_out, training)
    freedoom = corpus_phrases(open_corpus("freedoom"), np.arange(12))
    with pytest.raises(UserError, match="tracks: these phrases have Drums"):
        evaluate(freedoom, held_out, training)
