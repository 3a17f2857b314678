"""Test pieces of any length, and interpolation between two phrases."""

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
def test_a_piece_has_the_given_bars_and_depends_on_its_seed(shape: RollShape, network: dict[str, Any]) -> None:
    generator = network_of(shape, network)
    channels = len(shape.track_set) * (2 if shape.encoding == "onset" else 1)
    longest = pieces(generator, shape, 11, 2, 3)
    assert longest.shape == (2, channels, 11, shape.steps, shape.track_set.pitches)
    assert longest.dtype == np.bool_
    for bars in (1, shape.bars, shape.bars + 1, 11):  # a shorter piece is the beginning of a longer one
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
def test_windows_cover_the_piece_and_overlap_by_half(length: int, bars: int, starts: list[int]) -> None:
    assert window_starts(length, bars) == starts
    assert all(later - before <= hop_of(bars) for before, later in itertools.pairwise(starts))


class RecordingComposer:
    """Record the arguments of each window; fill its free units by the sign of the noise."""

    def __init__(self, composer: Composer) -> None:
        self.shape, self.parameters, self.recall_bars = composer.shape, composer.parameters, 6
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []
        self.earlier: list[Tensor | None] = []

    def accompany(
        self,
        given: Tensor,
        free: Tensor,
        noise: Tensor,
        plan: object = None,
        keys: object = None,
        earlier: Tensor | None = None,
    ) -> Tensor:
        self.earlier.append(earlier)
        self.calls.append((given.clone(), free.clone(), noise))
        return torch.ones_like(given) * (noise[:, :1, None, None, None] > 0)


def test_each_window_sees_the_last_half_of_the_one_before() -> None:
    composer = network_of(SATB)
    assert isinstance(composer, Composer)
    recorder = RecordingComposer(composer)
    rng = np.random.default_rng(0)
    given = torch.from_numpy(rng.random((1, 8, 9, 16, 48)) < 0.05)
    free = torch.ones(1, 4, 36, dtype=torch.bool)
    free[:, 1] = False  # one track is given
    noises = iter([torch.full((1, 4), value) for value in (1.0, -1.0, 1.0, -1.0)])
    result = compose(recorder, given, free, noises)  # type: ignore[arg-type]
    free_beats = [int(free_.any(1).sum()) for _, free_, _ in recorder.calls]
    assert free_beats == [16, 8, 8, 4]  # the last window ends with the piece
    for (context, open_, _), start in zip(recorder.calls, (0, 2, 4, 5), strict=True):
        known = 0 if start == 0 else {2: 2, 4: 2, 5: 3}[start]
        assert not open_[:, :, : known * 4].any()
        assert not open_[:, 1].any()
        assert open_[:, [0, 2, 3], known * 4 :].all()
        assert torch.equal(context[:, :, :known].bool(), result[:, :, start : start + known])
    for earlier, start in zip(recorder.earlier, (0, 2, 4, 5), strict=True):
        if start == 0:
            assert earlier is None
        else:  # the bars before, after silence
            assert earlier is not None
            assert torch.equal(earlier[:, :, -start:].bool(), result[:, :, :start])
            assert not earlier[:, :, : 6 - start].any()
    for plane in (1, 5):
        assert torch.equal(result[:, plane], given[:, plane])
    free_channels = [0, 2, 3, 4, 6, 7]
    # The sign of the noise changes from window to window: bars 0-3, 4-5, 6-7, 8.
    for bars, filled in ((slice(0, 4), True), (slice(4, 6), False), (slice(6, 8), True), (slice(8, 9), False)):
        assert bool((result[:, free_channels, bars] == filled).all())


def test_each_window_continues_the_bars_before_it() -> None:
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


def test_a_piece_shorter_than_a_phrase_is_its_beginning() -> None:
    composer = network_of(SATB)
    assert isinstance(composer, Composer)
    noise = torch.randn(1, composer.latent)
    short = compose(composer, torch.zeros(1, 8, 3, 16, 48), torch.ones(1, 4, 12, dtype=torch.bool), iter([noise]))
    with torch.no_grad():
        assert torch.equal(short.float(), composer(noise)[:, :, :3])


def test_phrases_of_other_networks_are_joined_without_rests() -> None:
    generator = network_of(SATB, MUSEGAN, "dbn")
    piece = pieces(generator, SATB, 12, 1, 5)
    assert piece.reshape(1, 8, 12, -1).any((1, 3)).all()  # no bar is silent
    assert np.array_equal(piece[:, :, :4], phrases(generator, SATB, 1, 5))
    assert not np.array_equal(piece[:, :, 4:8], piece[:, :, :4])


@KINDS
def test_an_interpolation_joins_the_phrases_of_two_seeds(shape: RollShape, network: dict[str, Any]) -> None:
    generator = network_of(shape, network)
    path = interpolate(generator, shape, (7, 8), 3)
    assert len(path) == 3
    assert np.array_equal(path[:1], phrases(generator, shape, 1, 7))
    if network is COMPOSER:
        assert np.array_equal(path[2:], phrases(generator, shape, 1, 8))
    assert np.array_equal(interpolate(generator, shape, (7, 7), 2)[1:], path[:1])
    ends = path[0] ^ path[2]
    assert ends.any()


@pytest.mark.slow
def test_neighbours_on_the_path_are_closer_than_the_ends() -> None:
    generator = network_of(SATB, MUSEGAN)
    path = interpolate(generator, SATB, (1, 2), 129)
    steps = np.mean([(a ^ b).mean() for a, b in itertools.pairwise(path)])
    assert steps < 0.6 * (path[0] ^ path[-1]).mean()


@pytest.mark.slow
def test_a_composer_changes_the_same_number_of_units_in_each_step() -> None:
    generator = network_of(SATB)
    assert isinstance(generator, Composer)
    path = interpolate(generator, SATB, (1, 2), 17)  # four of the 64 units change in each step
    units = path[:, :4].reshape(17, 4, 16, 4, 48)  # cells only: a note that follows silence gets an onset
    changed = (units == units[-1]).all((3, 4))  # steps, tracks, beats
    assert changed[-1].all()
    for number in range(17):
        assert changed[number].sum() >= 4 * number
    assert changed[1].sum() < 32  # most of the first steps is still the first phrase
    assert (units[0] == units[1]).all((2, 3)).mean() > 0.5
    assert np.array_equal(path, interpolate(generator, SATB, (1, 2), 17))
    longer = interpolate(generator, SATB, (1, 2), 129)  # more steps than units: some phrases are repeated
    assert len(np.unique(longer.reshape(129, -1), axis=0)) <= 65


def test_revise_changes_free_units_only() -> None:
    composer = network_of(SATB)
    assert isinstance(composer, Composer)
    noise = torch.randn(2, composer.latent)
    with torch.no_grad():
        before = composer(noise)
        free = torch.zeros(2, 4, 16, dtype=torch.bool)
        free[:, 1, 3] = True
        after = composer.revise(before, free, noise, 3, 1.0)
        assert torch.equal(composer.revise(before, free, noise, 3, 0.0), before)
    # Cells only: the onsets of notes after new silence may change.
    changed = (before != after)[:, :4].flatten(2, 3).unflatten(2, (16, 4)).any((3, 4))
    assert changed.any()
    assert not changed[~free].any()


def test_invalid_lengths_and_binarizations_are_refused() -> None:
    generator = network_of(BAND)
    for bars, count, phrase in ((0, 1, "1 to 1024"), (1025, 1, "1 to 1024"), (1024, 1000, "cells")):
        with pytest.raises(UserError, match=phrase):
            pieces(generator, BAND, bars, count, 0)
    with pytest.raises(UserError, match="half"):
        pieces(generator, BAND, 4, 1, 0, "half")
    with pytest.raises(UserError, match="half"):
        interpolate(generator, BAND, (0, 1), 2, "half")


def test_split_lines_pads_the_last_line() -> None:
    (roll,) = to_rolls(np.random.default_rng(0).random((1, 8, 7, 16, 48)) < 0.05, SATB)
    lines = split_lines(roll, 3)
    assert [line.bars for line in lines] == [3, 3, 3]
    whole = join_rolls(lines)
    assert whole.onsets is not None
    assert roll.onsets is not None
    assert np.array_equal(whole.cells[:, :7], roll.cells)
    assert np.array_equal(whole.onsets[:, :7], roll.onsets)
    assert not whole.cells[:, 7:].any()
