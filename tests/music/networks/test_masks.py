"""Test the units that are hidden while a composer imitates."""

from __future__ import annotations

import pytest
import torch

from bgmusic.music.networks.composer.masks import draw_all_but_one, draw_open


@pytest.mark.parametrize("tracks", [2, 4, 5])
def test_whole_tracks_are_given(tracks: int) -> None:
    opened = draw_open(4000, tracks, 2, 4, torch.Generator().manual_seed(tracks), "tracks")
    assert opened.shape == (4000, tracks, 8)
    touched = opened.any(2)
    composed = touched.sum(1)
    assert composed.min() == 1
    assert composed.max() == tracks - 1  # one at least is given
    # Every track is sometimes given, sometimes composed, and none more often than another.
    shares = touched.float().mean(0)
    assert float(shares.max() - shares.min()) < 0.05
    # In half of the phrases what is touched is hidden whole, and every number of tracks is hidden equally often.
    whole = (opened.all(2) == touched).all(1)
    assert 0.5 < float(whole.float().mean()) < 0.75
    counts = composed[whole].bincount(minlength=tracks)[1:tracks] / whole.sum()
    assert float(counts.min()) > 0.7 / (tracks - 1)
    # In the others a part of what is composed is shown.
    assert float((opened.float().mean(2)[~whole]).amax(1).mean()) < 0.9


def test_a_single_track_is_composed() -> None:
    assert draw_open(50, 1, 2, 4, torch.Generator().manual_seed(0), "tracks").any(2).all()


def test_one_track_is_given_whole() -> None:
    opened = draw_all_but_one(900, 3, 2, 4, torch.Generator().manual_seed(0))
    assert opened.shape == (900, 3, 8)
    assert (opened.all(2) == opened.any(2)).all()
    given = ~opened.all(2)
    assert (given.sum(1) == 1).all()
    assert int(given.sum(0).min()) > 250
    assert draw_all_but_one(5, 1, 2, 4).tolist() == [[[False] + [True] * 7]] * 5


def test_any_units_are_hidden_by_default() -> None:
    draws = [draw_open(8, 4, 2, 4, torch.Generator().manual_seed(1), *way) for way in ([], ["any"])]
    assert torch.equal(*draws)
    assert draw_open(500, 4, 2, 4, torch.Generator().manual_seed(1)).any(2).all(1).any()  # all tracks at once


def test_runs_of_bars_are_continued_and_filled_in() -> None:
    bars, beats = 4, 2
    opened = draw_open(4000, 3, bars, beats, torch.Generator().manual_seed(1), "runs").view(-1, 3, bars, beats)
    assert opened.flatten(1).any(1).all()
    of_bars = opened[:, 0, :, 0]
    whole = (opened == of_bars[:, None, :, None]).flatten(1).all(1)  # of all tracks and beats of each bar
    changes = (of_bars[:, 1:] != of_bars[:, :-1]).sum(1)
    runs = whole & (changes + of_bars[:, 0] + of_bars[:, -1] <= 2) & ~of_bars.all(1)
    assert 0.2 < float(runs.float().mean()) < 0.4
    assert float((runs & of_bars[:, -1]).float().mean()) > 0.1
    assert float((runs & ~of_bars[:, -1]).float().mean()) > 0.05
