"""Quantization: nearest steps, overlaps, losses, and bars."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgmusic.errors import UserError
from bgmusic.files import data_dir
from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import NOTE, TIME_SIGNATURE, Song, sort_notes, table
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.grid_fit import USABLE_BEAT, grid_fit
from bgmusic.music.rolls.metre import steps_per_bar
from bgmusic.music.rolls.steps import MAX_BEATS, to_steps
from bgmusic.music.rolls.tracks import TrackSet

LPD_5 = TrackSet.load("lpd-5")


def song(notes, beat=480, times=(), **more):
    """Of (onset, duration, pitch[, program[, is_drum]])."""
    rows = [(n[0], n[1], n[2], 64, *(n[3:4] or (0,)), *(n[4:5] or (False,)), 0) for n in notes]
    return Song(beat, sort_notes(table(NOTE, rows)), time_signatures=table(TIME_SIGNATURE, times), parts=("",), **more)


def placed(piece):
    return [tuple(row) for row in piece.notes[["track", "onset", "duration", "pitch"]].tolist()]


@given(st.integers(0, 1 << 40), st.integers(1, 32767), st.integers(1, 96))
def test_steps_are_the_nearest_in_exact_integers(tick, beat, resolution):
    step = int(to_steps(np.array([tick]), beat, resolution)[0])
    assert abs(Fraction(tick * resolution, beat) - step) <= Fraction(1, 2)


def test_off_grid_notes_are_moved_never_dropped():
    piece = quantise(song([(0, 480, 60), (119, 3, 62), (121, 239, 64), (500, 1, 65)]), LPD_5, 4)
    assert placed(piece) == [(1, 0, 4, 60), (1, 1, 1, 62), (1, 1, 2, 64), (1, 4, 1, 65)]
    assert (piece.losses.moved, piece.losses.kept) == (3, 4)


def test_drums_are_onsets():
    assert placed(quantise(song([(0, 960, 36, 0, True)]), LPD_5, 4)) == [(0, 0, 1, 36)]


def test_losses_are_counted_by_kind():
    notes = [(0, 9, 60), (0, 8, 60), (0, 480, 10), (0, 480, 60, 100), (480, 960, 60), (960, 120, 60)]
    losses = quantise(song([*notes, (480 * MAX_BEATS, 1, 60)]), LPD_5, 4).losses
    assert (losses.notes, losses.kept) == (7, 3)
    assert (losses.merged, losses.out_of_range, losses.no_track, losses.beyond, losses.cut) == (1, 1, 1, 1, 2)


def test_overlaps_keep_every_onset_and_every_cell():
    piece = quantise(song([(0, 960, 60), (480, 120, 60), (1920, 480, 60)]), LPD_5, 4)
    assert placed(piece) == [(1, 0, 4, 60), (1, 4, 4, 60), (1, 16, 4, 60)]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(60, 62)), max_size=30))
def test_overlaps_agree_with_sets_of_cells(notes):
    piece = quantise(song(notes, beat=4), LPD_5, 4)
    cells = {(step, pitch) for onset, length, pitch in notes for step in range(onset, onset + length)}
    begins = {(onset, pitch) for onset, _, pitch in notes}
    seen = [(step, p) for _, onset, length, p in placed(piece) for step in range(onset, onset + length)]
    assert sorted(seen) == sorted(cells)  # each cell once
    assert {(onset, p) for _, onset, _, p in placed(piece)} == begins
    assert piece.losses.merged == len(notes) - len(begins)


def test_bars_follow_time_signatures():
    long = [(0, 480 * 30, 60)]
    piece = quantise(song(long, times=[(0, 3, 4), (480 * 6, 6, 8), (480 * 12, 4, 4)]), LPD_5, 4)
    assert np.diff(piece.bar_starts).tolist() == [12] * 4 + [16] * 5
    assert piece.metres.tolist() == [[3, 4]] * 2 + [[6, 8]] * 2 + [[4, 4]] * 5
    assert piece.full.all()
    assert piece.phrase_starts(4).tolist() == [4, 5]
    assert piece.phrase_starts(2, hop=2).tolist() == [4, 6]
    assert piece.phrase_starts(2, metre=(6, 8)).tolist() == [2]


def test_bars_are_4_4_without_a_time_signature():
    assert quantise(song([(0, 480 * 9, 60)]), LPD_5, 4).metres.tolist() == [[4, 4]] * 3
    waltz = quantise(song([(0, 480 * 9, 60)]), LPD_5, 4, default_metre=(3, 4))
    assert waltz.metres.tolist() == [[3, 4]] * 3
    late = quantise(song([(0, 480 * 11, 60)], times=[(480 * 8, 3, 4)]), LPD_5, 4)
    assert late.metres.tolist() == [[4, 4], [4, 4], [3, 4]]
    forced = quantise(song([(0, 480 * 9, 60)], times=[(0, 3, 4)]), LPD_5, 4, metre=(4, 4))
    assert forced.metres.tolist() == [[4, 4]] * 3


def test_a_time_signature_within_a_bar_begins_a_new_bar():
    piece = quantise(song([(0, 480 * 12, 60)], times=[(0, 4, 4), (480 * 6, 3, 4)]), LPD_5, 4)
    assert np.diff(piece.bar_starts).tolist() == [16, 8, 12, 12]
    assert piece.full.tolist() == [True, False, True, True]


def test_a_pickup_is_a_short_first_bar():
    piece = quantise(song([(0, 480 * 9, 60)], pickup=480), LPD_5, 4)
    assert piece.bar_starts.tolist() == [0, 4, 20, 36]
    assert piece.full.tolist() == [False, True, True]
    changed = quantise(song([(0, 480 * 7, 60)], times=[(0, 3, 4)], pickup=480), LPD_5, 4)
    assert changed.bar_starts.tolist() == [0, 4, 16, 28]


def test_odd_bars_never_fail():
    for times in ([(0, 1, 64)], [(0, 255, 1)], [(0, 5, 32)], [(3, 7, 16), (5, 7, 16), (6, 1, 1)]):
        piece = quantise(song([(0, 4800, 60)], times=times), LPD_5, 4)
        assert (np.diff(piece.bar_starts) > 0).all()
        assert piece.bar_starts[-1] >= 40
        assert len(piece.bar_starts) == len(piece.metres) + 1 == len(piece.full) + 1


def test_empty_pieces_have_no_bars():
    piece = quantise(song([(0, 1, 1)]), LPD_5, 4)
    assert (piece.bars, len(piece.notes), piece.phrase_starts(4).tolist()) == (0, 0, [])


def test_parts_are_matched_to_tracks():
    voices = [(70, 1), (60, 2), (55, 0), (40, 3)]
    rows = table(NOTE, [(0, 4, pitch, 64, 0, False, part) for pitch, part in voices])
    named = Song(4, rows, parts=("Tenor", "Soprano", "Alto", "Bass", "unused"))
    piece = quantise(named, TrackSet.load("satb"), 4)
    assert placed(piece) == [(0, 0, 4, 70), (1, 0, 4, 60), (2, 0, 4, 55), (3, 0, 4, 40)]


def test_invalid_arguments_are_refused():
    with pytest.raises(UserError, match="resolution 0"):
        quantise(song([(0, 1, 60)]), LPD_5, 0)
    with pytest.raises(UserError, match="a bar of 1/64"):
        steps_per_bar((1, 64), 4)
    assert steps_per_bar((7, 8), 12) == 42


def test_grid_fit_is_low_without_a_beat():
    fits = {path.stem: grid_fit(read_midi(path), 12) for path in (data_dir() / "midi" / "freedoom").glob("*.mid")}
    assert len(fits) == 66
    without = {name for name, fit in fits.items() if fit < USABLE_BEAT}
    divisions = {path.stem: path.read_bytes()[12:14] for path in (data_dir() / "midi" / "freedoom").glob("*.mid")}
    assert without == {name for name, division in divisions.items() if division == b"\0\x59"}
    assert (len(without), max(fits[name] for name in without) < 0.7) == (10, True)
    assert min(fit for fit in fits.values() if fit >= USABLE_BEAT) > 0.8
