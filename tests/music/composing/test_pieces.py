"""Pieces longer than a phrase, and phrases between two others."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import BAND, COMPOSER, MUSEGAN, SATB, network_of
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.composing.generate import phrases, to_rolls
from bgmusic.music.composing.interpolation import interpolate
from bgmusic.music.composing.pieces import phrases_needed, pieces
from bgmusic.music.composing.windows import compose, hop_of, window_starts
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.rolls.joining import join_rolls, split_lines
from bgmusic.music.rolls.shape import RollShape

KINDS = pytest.mark.parametrize(
    ("shape", "network"),
    [(SATB, COMPOSER), (BAND, COMPOSER), (SATB, MUSEGAN), (BAND, MUSEGAN)],
    ids=["composer-satb", "composer-band", "musegan-satb", "musegan-band"],
)


@KINDS
def test_a_piece_is_as_long_as_asked_and_by_its_seed(shape: RollShape, network: dict[str, Any]) -> None:
    generator = network_of(shape, network)
    channels = len(shape.track_set) * (2 if shape.encoding == "onset" else 1)
    longest = pieces(generator, shape, 11, 2, 3)
    assert longest.shape == (2, channels, 11, shape.steps, shape.track_set.pitches)
    assert longest.dtype == np.bool_
    for bars in (1, shape.bars, shape.bars + 1, 11):  # shorter ones are beginnings of longer ones
        assert np.array_equal(pieces(generator, shape, bars, 2, 3), longest[:, :, :bars])
    assert np.array_equal(phrases(generator, shape, 2, 3), longest[:, :, : shape.bars])
    assert not np.array_equal(pieces(generator, shape, 11, 2, 4), longest)
    progress: list[int] = []
    pieces(generator, shape, 11, 2, 3, progress=progress.append)
    assert sum(progress) == 2 * phrases_needed(generator, shape, 11)


@pytest.mark.parametrize(
    ("length", "bars", "starts"),
    [(4, 4, [0]), (3, 4, [0]), (5, 4, [0, 1]), (10, 4, [0, 2, 4, 6]), (7, 3, [0, 2, 4]), (3, 1, [0, 1, 2])],
)
def test_windows_cover_all_and_overlap_by_half(length: int, bars: int, starts: list[int]) -> None:
    assert window_starts(length, bars) == starts
    assert all(later - before <= hop_of(bars) for before, later in itertools.pairwise(starts))


class Watched:
    """A composer that tells what it was shown: it fills what is free by its noise alone."""

    def __init__(self, composer: Composer) -> None:
        self.shape, self.parameters = composer.shape, composer.parameters
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def accompany(self, given: Tensor, free: Tensor, noise: Tensor) -> Tensor:
        self.seen.append((given.clone(), free.clone(), noise))
        return torch.ones_like(given) * (noise[:, :1, None, None, None] > 0)


def test_each_window_sees_the_last_half_of_the_one_before() -> None:
    composer = network_of(SATB)
    assert isinstance(composer, Composer)
    watched = Watched(composer)
    rng = np.random.default_rng(0)
    given = torch.from_numpy(rng.random((1, 8, 9, 16, 48)) < 0.05)
    free = torch.ones(1, 4, 36, dtype=torch.bool)
    free[:, 1] = False  # one track is given
    noises = iter([torch.full((1, 4), value) for value in (1.0, -1.0, 1.0, -1.0)])
    result = compose(watched, given, free, noises)  # type: ignore[arg-type]
    assert [int(free_.any(1).sum()) for _, free_, _ in watched.seen] == [16, 8, 8, 4]  # beats; the last ends with it
    for (seen, open_, _), start in zip(watched.seen, (0, 2, 4, 5), strict=True):
        known = 0 if start == 0 else {2: 2, 4: 2, 5: 3}[start]
        assert not open_[:, :, : known * 4].any()
        assert not open_[:, 1].any()
        assert open_[:, [0, 2, 3], known * 4 :].all()
        assert torch.equal(seen[:, :, :known].bool(), result[:, :, start : start + known])
    for plane in (1, 5):
        assert torch.equal(result[:, plane], given[:, plane])
    free_channels = [0, 2, 3, 4, 6, 7]
    # By the sign of each window's noise: bars 0-3, 4-5, 6-7, 8.
    for bars, lit in ((slice(0, 4), True), (slice(4, 6), False), (slice(6, 8), True), (slice(8, 9), False)):
        assert bool((result[:, free_channels, bars] == lit).all())


def test_a_composer_goes_on_from_what_it_sees() -> None:
    composer = network_of(SATB)
    assert isinstance(composer, Composer)
    noise = torch.randn(2, 1, composer.latent, generator=torch.Generator().manual_seed(1))
    nothing, free = torch.zeros(1, 8, 6, 16, 48), torch.ones(1, 4, 24, dtype=torch.bool)
    result = compose(composer, nothing, free, iter(noise))
    with torch.no_grad():
        first = composer(noise[0])
        before = torch.cat([first[:, :, 2:], torch.zeros(1, 8, 2, 16, 48)], 2)
        later = torch.ones(1, 4, 16, dtype=torch.bool)
        later[:, :, :8] = False
        second = composer.accompany(before, later, noise[1])
    assert torch.equal(result.float(), torch.cat([first, second[:, :, 2:]], 2))


def test_what_is_shorter_than_a_phrase_is_cut() -> None:
    composer = network_of(SATB)
    assert isinstance(composer, Composer)
    noise = torch.randn(1, composer.latent)
    short = compose(composer, torch.zeros(1, 8, 3, 16, 48), torch.ones(1, 4, 12, dtype=torch.bool), iter([noise]))
    with torch.no_grad():
        assert torch.equal(short.float(), composer(noise)[:, :, :3])


def test_other_generators_follow_without_a_silent_bar() -> None:
    generator = network_of(SATB, MUSEGAN, "dbn")
    piece = pieces(generator, SATB, 12, 1, 5)
    assert piece.reshape(1, 8, 12, -1).any((1, 3)).all()  # no bar is silent
    assert np.array_equal(piece[:, :, :4], phrases(generator, SATB, 1, 5))
    assert not np.array_equal(piece[:, :, 4:8], piece[:, :, :4])


@KINDS
def test_a_way_between_two_seeds(shape: RollShape, network: dict[str, Any]) -> None:
    generator = network_of(shape, network)
    way = interpolate(generator, (7, 8), 3)
    assert len(way) == 3
    assert np.array_equal(way[:1], phrases(generator, shape, 1, 7))
    if network is COMPOSER:
        assert np.array_equal(way[2:], phrases(generator, shape, 1, 8))
    assert np.array_equal(interpolate(generator, (7, 7), 2)[1:], way[:1])
    ends = way[0] ^ way[2]
    assert ends.any()


def test_neighbours_on_the_way_are_nearer_than_the_ends() -> None:
    generator = network_of(SATB, MUSEGAN)
    way = interpolate(generator, (1, 2), 129)
    steps = np.mean([(a ^ b).mean() for a, b in itertools.pairwise(way)])
    assert steps < 0.6 * (way[0] ^ way[-1]).mean()


def test_a_composer_takes_the_last_phrase_over_at_an_even_pace() -> None:
    generator = network_of(SATB)
    assert isinstance(generator, Composer)
    way = interpolate(generator, (1, 2), 17)  # four of the 64 units a step
    units = way[:, :4].reshape(17, 4, 16, 4, 48)  # the cells; what follows silence begins, so onsets may change
    taken = (units == units[-1]).all((3, 4))  # steps, tracks, beats
    assert taken[-1].all()
    for number in range(17):
        assert taken[number].sum() >= 4 * number
    assert taken[1].sum() < 32  # and the first steps are still the first phrase, for the most part
    assert (units[0] == units[1]).all((2, 3)).mean() > 0.5
    assert np.array_equal(way, interpolate(generator, (1, 2), 17))
    longer = interpolate(generator, (1, 2), 129)  # more steps than units: some phrases stand twice
    assert len(np.unique(longer.reshape(129, -1), axis=0)) <= 65


def test_what_may_not_change_is_not_revised() -> None:
    composer = network_of(SATB)
    assert isinstance(composer, Composer)
    noise = torch.randn(2, composer.latent)
    with torch.no_grad():
        before = composer(noise)
        free = torch.zeros(2, 4, 16, dtype=torch.bool)
        free[:, 1, 3] = True
        after = composer.revise(before, free, noise, 3, 1.0)
        assert torch.equal(composer.revise(before, free, noise, 3, 0.0), before)
    # Cells: onsets behind what fell silent may change, since what follows silence begins.
    changed = (before != after)[:, :4].flatten(2, 3).unflatten(2, (16, 4)).any((3, 4))
    assert changed.any()
    assert not changed[~free].any()


def test_bounds() -> None:
    generator = network_of(BAND)
    for bars, count, says in ((0, 1, "1 to 1024 bars"), (1025, 1, "1 to 1024 bars"), (1024, 1000, "cells, more than")):
        with pytest.raises(UserError, match=says):
            pieces(generator, BAND, bars, count, 0)
    with pytest.raises(UserError, match="ht or bs"):
        pieces(generator, BAND, 4, 1, 0, "half")
    with pytest.raises(UserError, match="ht or bs"):
        interpolate(generator, (0, 1), 2, "half")


def test_lines_hold_all_bars() -> None:
    (roll,) = to_rolls(np.random.default_rng(0).random((1, 8, 7, 16, 48)) < 0.05, SATB)
    cut = split_lines(roll, 3)
    assert [line.bars for line in cut] == [3, 3, 3]
    whole = join_rolls(cut)
    assert whole.onsets is not None
    assert roll.onsets is not None
    assert np.array_equal(whole.cells[:, :7], roll.cells)
    assert np.array_equal(whole.onsets[:, :7], roll.onsets)
    assert not whole.cells[:, 7:].any()
