"""The learned judge: features, transposition, folds, controls, and the places that gave a phrase away."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from damaged_phrases import CONTROLS

from bgmusic.errors import UserError
from bgmusic.music.composing import phrase_sources
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging import judge as module
from bgmusic.music.judging.judge import judge
from bgmusic.music.judging.judge_features import MAX_SHIFT, describe_all, transposed
from bgmusic.music.judging.two_sample import thresholds
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.rolls.tracks import Track, TrackSet


@pytest.fixture(scope="module")
def bach():
    """100 phrases of either half of the training set."""
    corpus = open_corpus("bach")
    return [corpus_phrases(corpus, numbers).spread(100) for numbers in phrase_sources.halves(corpus)]


def two_voices(upper, lower):
    """One phrase of one bar with two voices; each entry is a pitch row, which begins there, or None for silence."""
    tracks = TrackSet("two", (Track("upper", 0), Track("lower", 0)), 48, 24)
    cells = np.zeros((1, 2, 1, len(upper), 24), dtype=np.bool_)
    for track, line in enumerate((upper, lower)):
        for step, row in enumerate(line):
            if row is not None:
                cells[0, track, 0, step, row] = True
    return Phrases(tracks, 4, cells, cells.copy())


def column(phrases, name, tracks):
    described = describe_all([phrases])
    number = [(f.name, f.tracks) for f in described.features].index((name, tracks))
    return described.codes[0, :, number].tolist()


def test_intervals_and_motions_of_a_hand_worked_phrase():
    phrases = two_voices([12, 14, 16, None], [5, 7, 0, 0])
    # Intervals are 13 above; the last category is "none".
    assert column(phrases, "interval", (0,)) == [27, 15, 15, 27]
    assert column(phrases, "interval", (1,)) == [27, 15, 6, 13]
    fifths = (7 * 13 + 7) * 6 + 0  # a fifth after a fifth, both up
    motion = column(phrases, "motion of the pair", (0, 1))
    assert motion[1] == fifths
    assert motion[2] == (4 * 13 + 7) * 6 + 2  # a third after a fifth, contrary
    # G over C: pitch class 7 above the bass is bit 6.
    assert column(phrases, "chord", (0, 1))[:2] == [1 << 6, 1 << 6]


def test_only_pitches_change_by_transposition(bach):
    some = bach[0][:20]
    shifts = [shift for shift in range(-3, 4) if shift]
    codes = describe_all([some]).codes.long()
    for shift in shifts:
        cells, onsets = (np.roll(plane, shift, -1) for plane in (some.cells, some.onsets))
        moved = describe_all([replace(some, cells=cells, onsets=onsets)])
        inside = ~(some.cells[..., : abs(shift)] if shift < 0 else some.cells[..., -abs(shift) :]).any((1, 2, 3, 4))
        expected = transposed(codes, moved.features, torch.full((20,), shift))
        torch.testing.assert_close(moved.codes.long()[inside], expected[inside])
    none = torch.tensor([feature.size for feature in moved.features])
    for shift in (-MAX_SHIFT, MAX_SHIFT):
        far = transposed(codes, moved.features, torch.full((20,), shift))
        assert ((far >= 0) & (far < none)).all()


def test_codes_of_any_track_set_are_in_range():
    phrases = corpus_phrases(open_corpus("freedoom"), np.arange(0, 40, 5))
    for encoding in ("onset", "pause"):
        described = describe_all([phrases.encoded(encoding), phrases.encoded(encoding)[:3]])
        sizes = torch.tensor([feature.size for feature in described.features])
        assert ((described.codes >= 0) & (described.codes < sizes)).all()
        assert len(described.codes) == len(described.hits) == len(phrases) + 3
        assert described.hits.any()


def test_damaged_phrases_are_distinguished_and_places_named(bach):
    half, other = (side.spread(50) for side in bach)
    damaged = CONTROLS["rhythm quantized to quarters"](half)
    found = judge(damaged, [other], seeds=1, epochs=2)
    assert found.low > 0.6
    assert found.auc > 0.7
    assert found.evidence.shape == (50, 4, 4)
    summary = found.summary(["S", "A", "T", "B"])
    assert summary.places[0].logit == found.logits.min()
    place = summary.places[0]
    track = ["S", "A", "T", "B"].index(place.track)
    assert place.evidence[track][place.bar] == min(min(row) for row in place.evidence)
    assert f"phrase {place.phrase + 1}, bar {place.bar + 1}" in str(place)
    assert "distinguishes the phrases" in str(summary)
    assert "phrase" in str(summary)


def test_the_threshold_of_a_fold_is_that_of_the_others():
    fold = torch.arange(5).repeat(4)
    label = torch.tensor([0.0, 0, 1, 1]).repeat_interleave(5)
    logits = torch.tensor([3.0, 3, 5, 5]).repeat_interleave(5)
    logits[0] = 9  # a generated phrase of fold 0, which must not count for it
    found = thresholds(logits, label, fold)
    assert found[fold == 0].tolist() == [4.0] * 4
    assert ((found >= 3) & (found <= 5)).all()


@pytest.mark.slow
def test_few_phrases_are_seen_often_enough(bach):
    half, other = bach
    damaged = CONTROLS["rhythm quantized to quarters"](half)[:30]
    found = judge(damaged, [other], seeds=1)
    assert found.low > 0.6
    assert found.auc > 0.9


@pytest.mark.slow
def test_evidence_names_the_damaged_track_and_bar(bach):
    half, other = bach
    cells, onsets = half.cells.copy(), half.onsets.copy()
    for plane in (cells, onsets):
        plane[:, 1, 2] = np.roll(plane[:, 1, 2], 6, -1)
    found = judge(replace(half, cells=cells, onsets=onsets), [other], seeds=1, epochs=4)
    assert found.accuracy > 0.75
    lowest = found.evidence.mean(0)
    assert divmod(int(lowest.argmin()), 4) == (1, 2)


@pytest.mark.slow
def test_halves_of_the_training_set_are_not_distinguished(bach):
    half, other = bach
    found = judge(half, [other], seeds=1, epochs=6)
    assert found.low <= 0.5
    assert "cannot distinguish" in str(found.summary(["S", "A", "T", "B"]))


def test_the_judge_is_repeatable_and_leaves_the_random_state(bach):
    half, other = bach
    state = torch.get_rng_state()
    one, two = (judge(half[:20], [other[:30], other[30:50]], seed=3, seeds=1, epochs=1) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one.logits, two.logits)
    assert torch.equal(one.evidence, two.evidence)
    json.dumps(one.accuracy)


def test_many_phrases_are_judged_by_some_evenly_spread(bach, monkeypatch):
    half, other = bach
    monkeypatch.setattr(module, "MAX_SAMPLES", 20)
    monkeypatch.setattr(module, "MAX_REAL", 30)
    found = judge(half, [other, other[:50]], seeds=1, epochs=1)
    assert len(found.logits) == 20
    assert found.numbers[[0, -1]].tolist() == [0, 99]


def test_no_network_knows_the_piece_of_a_phrase_that_it_judges(bach, monkeypatch):
    half, other = (side.spread(40) for side in bach)
    made = half[np.arange(0, 40, 2)]  # as if composed under plans of these phrases
    pieces = torch.from_numpy(np.concatenate([made.pieces, other.pieces, half.pieces]))
    trained = []

    def fit(described, label, train, *settings):
        trained.append(train)
        return original(described, label, train, *settings)

    original = module.fit
    monkeypatch.setattr(module, "fit", fit)
    judge(made, [other, half], seeds=1, epochs=1, derived=True)
    seen = [{int(piece) for piece in pieces[train].unique()} for train in trained]
    unseen = [{int(piece) for piece in pieces.unique()} - known for known in seen]
    assert len(trained) == 5
    assert set().union(*unseen) == {int(piece) for piece in pieces.unique()}
    for train, held in zip(trained, unseen, strict=True):
        test = torch.ones(len(pieces), dtype=torch.bool)
        test[train] = False
        assert {int(piece) for piece in pieces[test].unique()} == held
        assert test[:20].any()
        assert test[20:].any()
    with pytest.raises(ValueError, match="need pieces"):
        judge(replace(made, pieces=None), [other, half], derived=True)
    with pytest.raises(ValueError, match="among the real"):
        judge(made, [other], derived=True)


def test_unlike_or_too_few_phrases_are_rejected(bach):
    half, other = bach
    with pytest.raises(UserError, match="too few samples: 9 phrases"):
        judge(half[:9], [other])
    with pytest.raises(UserError, match="too few real music: 9 phrases"):
        judge(half, [other[:9]])
    with pytest.raises(ValueError, match="one encoding"):
        judge(half, [other.encoded("pause")])
    with pytest.raises(UserError, match="tracks"):
        judge(half, [corpus_phrases(open_corpus("freedoom"), np.arange(12))])
