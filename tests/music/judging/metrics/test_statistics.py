"""Distances and overlaps of distributions equal SciPy's and hand-calculated ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.metrics.distributions import Distribution, deviation, distance, overlap
from bgmusic.music.judging.statistics import statistics
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.tracks import TrackSet

NAN = float("nan")
observed = Distribution.from_observations


def test_distance_is_scipys_over_the_deviation():
    rng = np.random.default_rng(0)
    mine, data = rng.normal(1, 2, (7, 5)), rng.normal(size=(9, 4)).round(1)
    mine[2, 1:] = NAN
    parts = [observed(torch.from_numpy(values)) for values in (mine, data)]
    seen = mine[~np.isnan(mine)]
    expected = wasserstein_distance(seen, data.ravel()) / data.std()
    assert distance(*parts, deviation(parts[1])).item() == pytest.approx(expected)
    assert deviation(parts[1]) == pytest.approx(data.std())
    both = np.concatenate([seen, data.ravel()])
    assert deviation(*parts) == pytest.approx(both.std())
    assert parts[0].mean() == pytest.approx(seen.mean())
    assert distance(parts[0], parts[0], 1.0).item() == 0


def test_resampling_counts_phrases_as_often_as_drawn():
    rng = np.random.default_rng(1)
    values = torch.from_numpy(rng.normal(size=(4, 3)))
    part, data = (
        observed(values),
        observed(torch.from_numpy(rng.normal(size=(5, 3)))),
    )
    weights = torch.tensor([[2, 0, 1, 1], [1, 1, 1, 1]], dtype=torch.float64)
    again = observed(values[[0, 0, 2, 3]])
    ones = torch.ones(2, 5, dtype=torch.float64)
    expected = [distance(again, data, 1.0).item(), distance(part, data, 1.0).item()]
    assert distance(part, data, 1.0, weights, ones).tolist() == pytest.approx(expected)


def test_no_observation_counts_as_zero_and_deviations_are_at_least_0_05():
    nothing, data = (
        observed(torch.full((3, 1), NAN)),
        observed(torch.full((3, 1), 0.9)),
    )
    assert not nothing
    assert distance(nothing, data, deviation(data)).item() == pytest.approx(0.9 / 0.05)
    assert distance(nothing, nothing, 0.0).item() == 0
    assert overlap(nothing, data) == 0


def test_overlap_of_histograms():
    one = observed(torch.tensor([[0.0, 1, 1, 2]]))
    other = observed(torch.tensor([[1.0, 2, 2, 3]]))
    assert overlap(one, other) == pytest.approx(0.25 + 0.25)
    wide = observed(torch.linspace(0, 1, 1000)[None])
    assert overlap(wide, observed(torch.linspace(0.5, 1.5, 1000)[None])) == pytest.approx(0.5, abs=0.02)


def test_extreme_phrases_have_finite_distances():
    corpus = open_corpus("freedoom")
    real = statistics(corpus_phrases(corpus, np.arange(0, 40)))
    shape = (4, *corpus.roll(0).cells.shape)
    drums_alone = np.zeros(shape, bool)
    drums_alone[:, 0, :, ::12, 12] = True
    for cells in (np.zeros(shape, bool), np.ones(shape, bool), drums_alone):
        for encoded in (None, cells):
            odd = statistics(Phrases(corpus.track_set, 12, cells, encoded))
            for mine, data in zip(odd, real, strict=True):
                assert mine.name == data.name
                for p, q in zip(mine.parts, data.parts, strict=True):
                    assert np.isfinite(distance(p, q, deviation(q)).item())
                    assert 0 <= overlap(p, q) <= 1 + 1e-9


def test_one_track_or_drums_only_have_fewer_statistics():
    def names(track_set):
        cells = np.zeros((2, len(track_set), 1, 1, track_set.pitches), bool)
        return {statistic.name for statistic in statistics(Phrases(track_set, 1, cells))}

    track = {"name": "One", "program": 0, "programs": [0]}
    one = names(TrackSet.from_dict({"name": "one", "tracks": [track]}))
    drums = names(TrackSet.from_dict({"name": "drums", "tracks": [{"name": "D", "program": 0, "is_drum": True}]}))
    assert "note lengths" in one
    assert "tonal distance" not in one
    assert "drums in pattern" in drums
    assert "voices" not in drums


def test_statistics_equal_those_of_the_notes():
    phrase = stack_rolls([open_corpus("bach").roll(10)])
    found = {statistic.name: statistic.parts for statistic in statistics(phrase)}
    notes = phrase.roll(0).notes()
    assert found["notes per bar"][0].mean() == pytest.approx(len(notes) / 4)
    assert found["note lengths"][0].mean() == pytest.approx(notes["duration"].mean() / 4)
    assert found["onset positions"][0].mean() == pytest.approx((notes["onset"] % 16).mean() / 4)
    bass = notes[notes["track"] == 3]
    assert found["pitch"][3].mean() == pytest.approx(bass["pitch"].mean())
    time = phrase.cells[0].reshape(4, -1, phrase.cells.shape[-1])
    tops = [np.flatnonzero(step) for step in time[0]]
    alto = [np.flatnonzero(step) for step in time[1]]
    intervals = [b - a for one, two in zip(tops, alto, strict=True) for a in one for b in two]
    assert found["intervals between tracks"][0].mean() == pytest.approx(np.mean(intervals))


def test_many_values_are_quantized():
    """Exact counts of each value in each phrase would need memory quadratic in the number of phrases."""
    rng = np.random.default_rng(2)
    mine, data = torch.from_numpy(rng.normal(1, 2, (3000, 2))), torch.from_numpy(rng.normal(size=(400, 1)))
    mine[5] = NAN
    exact = observed(mine)
    near = observed(mine, max_counts=10**6)
    assert near.counts.numel() <= 10**6
    assert near.counts.sum() == exact.counts.sum()
    assert near.mean() == pytest.approx(exact.mean(), abs=0.01)
    far = [distance(part, observed(data), 1.0).item() for part in (near, exact)]
    assert far[0] == pytest.approx(far[1], rel=0.01)


def test_wrong_shapes_are_rejected():
    good = observed(torch.zeros(3, 2))
    with pytest.raises(ValueError, match="shape"):
        observed(torch.zeros(3))
    with pytest.raises(ValueError, match="shapes"):
        Distribution.from_histogram(torch.zeros(3, 2), torch.zeros(3))
    with pytest.raises(ValueError, match="weights"):
        distance(good, good, 1.0, torch.ones(5, 4, dtype=torch.float64))
