"""Metre, tempo and length: read from files, kept by rolls and phrases, and written back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timed_midi import timing_of, write_bars

import bgmusic
from bgmusic.errors import UserError
from bgmusic.music.midi.ends import piece_end
from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import NOTE, TIME_SIGNATURE, Song, table
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.joining import join_rolls, join_with_rests, split_lines
from bgmusic.music.rolls.phrase_files import read_phrases, write_phrases
from bgmusic.music.rolls.phrases import stack_rolls
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tempo import bpm_at, cut_tempos, join_tempos, require_tempos, tempo_map
from bgmusic.music.rolls.tracks import TrackSet

CASES = Path(__file__).parents[2] / "data" / "midi_cases"
LPD_5 = TrackSet.load("lpd-5")
METRES = st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 2), (3, 2), (12, 8), (6, 16), (5, 8), (1, 4), (7, 16), (9, 8)])
TEMPO = st.integers(40, 240).map(float)


def silent(bars=2, steps=48, resolution=12, **timing):
    return Roll(LPD_5, resolution, np.zeros((5, bars, steps, 84), np.bool_), None, **timing)


@given(metre=METRES, bars=st.integers(1, 6), bpm=TEMPO)
@settings(max_examples=30)
def test_metre_tempo_and_length_survive_a_file(metre, bars, bpm, tmp_path_factory):
    path = tmp_path_factory.mktemp("midi") / "piece.mid"
    write_bars(path, [(bars, *metre)], tempos=[(0, bpm)])
    roll = bgmusic.read(path, resolution=24)
    assert (roll.metre, roll.bars, round(roll.bpm, 2)) == (metre, bars, bpm)
    roll.save(path)
    beats = bars * 4 * metre[0] / metre[1]
    metres, tempos, ends = timing_of(path)
    assert (metres, ends) == ([(0, *metre)], {beats})
    assert [(beat, round(tempo, 2)) for beat, tempo in tempos] == [(0, bpm)]
    again = bgmusic.read(path, resolution=24)
    assert (again.metre, again.bars, again.tempos) == (roll.metre, roll.bars, roll.tempos)
    assert np.array_equal(again.cells, roll.cells)


@pytest.mark.parametrize(
    ("name", "bars", "phrases"),
    [
        ("loop", 4, 1),
        ("beat", 4, 1),
        ("metre-exact", 16, 13),
        ("metre-one-tick-early", 16, 13),
        ("six-eight-0", 12, 9),
        ("six-eight-1", 12, 9),
        ("six-eight-2", 12, 9),
        ("two-tempos", 16, 13),
    ],
)
def test_cases_have_their_bars(name, bars, phrases):
    piece = quantise(read_midi(CASES / f"{name}.mid"), LPD_5, 12)
    metre = (6, 8) if "six" in name else (4, 4)
    assert (piece.bars, bool(piece.full.all()), len(piece.phrase_starts(4, metre))) == (bars, True, phrases)


def test_a_change_of_metre_one_tick_early_is_as_if_exact():
    piece = quantise(read_midi(CASES / "metre-change-one-tick-early.mid"), LPD_5, 12)
    assert piece.full.all()
    assert piece.runs((3, 4)) == [(4, 8)]
    lengths = np.diff(piece.bar_starts)
    assert lengths.tolist() == [36 if 4 <= bar < 8 else 48 for bar in range(piece.bars)]


@given(
    sections=st.lists(st.tuples(st.integers(1, 4), METRES), min_size=1, max_size=4),
    shift=st.sampled_from([-1, 0, 1]),
    repeat=st.booleans(),
)
@settings(max_examples=30)
def test_time_signatures_a_tick_off_move_no_bar(sections, shift, repeat, tmp_path_factory):
    path = tmp_path_factory.mktemp("midi") / "piece.mid"
    rows = [(bars, *metre) for bars, metre in sections for _ in range(1 + repeat)]
    exact = quantise(read_midi(write_bars(path, rows)), LPD_5, 24)
    moved = quantise(read_midi(write_bars(path, rows, shift=shift)), LPD_5, 24)
    assert np.array_equal(exact.bar_starts, moved.bar_starts)
    assert np.array_equal(exact.metres, moved.metres)
    assert exact.full.all()
    assert moved.full.all()
    assert exact.bars == sum(bars for bars, *_ in rows)


@given(bars=st.integers(2, 8), rests=st.integers(0, 4), slack=st.sampled_from([-1, 0, 1, 200]), metre=METRES)
@settings(max_examples=30)
def test_silent_bars_before_the_end_of_track_count(bars, rests, slack, metre, tmp_path_factory):
    path = tmp_path_factory.mktemp("midi") / "piece.mid"
    write_bars(path, [(bars + rests, *metre)], silent=rests, slack=slack if 1920 * metre[0] // metre[1] > 200 else 0)
    piece = quantise(read_midi(path), LPD_5, 24)
    assert piece.bars == bars + rests


def test_rests_are_read_to_a_limit():
    note = (0, 480, 60, 90, 0, False, 0)
    for bars, read in ((3, 3), (65, 65), (1000, 65)):
        piece = quantise(Song(480, table(NOTE, [note]), end=bars * 1920), LPD_5, 4)
        assert piece.bars == read
    assert quantise(Song(480, table(NOTE, []), end=1920), LPD_5, 4).bars == 0


def test_files_end_on_bar_lines_and_loops_loop(tmp_path):
    for name in ("loop", "beat"):
        roll = bgmusic.read(CASES / f"{name}.mid")
        roll.save(tmp_path / "out.mid")
        assert (roll.bars, timing_of(tmp_path / "out.mid")[2]) == (4, {16.0})
    silent(bars=3).save(tmp_path / "silent.mid")
    assert timing_of(tmp_path / "silent.mid")[2] == {12.0}


@pytest.mark.parametrize(
    ("end", "pickup", "metres", "expected"),
    [
        (0, 0, [], 1920),
        (1921, 0, [], 1920),
        (3839, 0, [], 3840),
        (2400, 0, [], 2400),
        (3841, 0, [(0, 4, 4)], 3840),
        (3839, 0, [(0, 4, 4)], 3840),
        (2400, 0, [(0, 4, 4)], 1920),
        (2880, 480, [(0, 3, 4)], 1920),
        (5760, 480, [(0, 3, 4)], 4800),
        (1920, 0, [(0, 6, 8)], 1440),
        (1920, 0, [(0, 4, 4), (1920, 3, 4)], 1920),
    ],
)
def test_piece_ends(end, pickup, metres, expected):
    notes = table(NOTE, [(0, 1000, 60, 90, 0, False, 0)])
    song = Song(480, notes, time_signatures=table(TIME_SIGNATURE, metres), pickup=pickup, end=end)
    assert piece_end(song) == expected


@given(
    changes=st.lists(st.tuples(st.integers(0, 63), TEMPO), min_size=1, max_size=8, unique_by=lambda row: row[0]),
    first=st.integers(0, 12),
)
@settings(max_examples=30)
def test_a_part_carries_the_tempos_of_its_place(changes, first, tmp_path_factory):
    path = tmp_path_factory.mktemp("midi") / "piece.mid"
    write_bars(path, [(16, 4, 4)], tempos=sorted(changes), shift=-1)
    whole = bgmusic.read(path)
    part = bgmusic.read(path, first_bar=first, bars=4)
    for step in range(0, 192, 6):
        assert bpm_at(part.tempos, step) == bpm_at(whole.tempos, first * 48 + step)
    part.save(path)
    again = bgmusic.read(path)
    assert [step for step, _ in again.tempos] == [step for step, _ in part.tempos]
    np.testing.assert_allclose([bpm for _, bpm in again.tempos], [bpm for _, bpm in part.tempos], rtol=1e-6)


def test_two_tempos():
    piece = quantise(read_midi(CASES / "two-tempos.mid"), LPD_5, 12)
    assert piece.tempos == ((0, 160.0), (384, 60.0))
    assert Roll.from_phrase(piece, 8, 4).tempos == ((0, 60.0),)
    assert Roll.from_phrase(piece, 6, 4).tempos == ((0, 160.0), (96, 60.0))


def test_tempo_maps():
    tempos = ((0, 100.0), (10, 50.0), (20, 100.0))
    assert [bpm_at(tempos, step) for step in (0, 9, 10, 19, 99)] == [100, 100, 50, 50, 100]
    assert cut_tempos(tempos, 10, 20) == ((0, 50.0),)
    assert cut_tempos(tempos, 5, 21) == ((0, 100.0), (5, 50.0), (15, 100.0))
    assert join_tempos([None, tempos, None, ((0, 100.0),)], [5, 30, 5, 5]) == ((0, 100.0), (15, 50.0), (25, 100.0))
    assert join_tempos([None, None], [1, 2]) is None
    assert require_tempos([[0, 90], [4, 91.5]]) == ((0, 90.0), (4, 91.5))
    assert tempo_map(Song(480, table(NOTE, [])), 12) == ((0, 120.0),)
    for wrong, kind in (
        ([(1, 90.0)], UserError),
        ([(0, 90.0), (0, 91.0)], UserError),
        ([(0, 0.5)], UserError),
        ([(0, float("nan"))], UserError),
        ([], UserError),
        ([(0.5, 90.0)], TypeError),
        ([90.0], TypeError),
        ("fast", TypeError),
        (90, TypeError),
    ):
        with pytest.raises(kind):
            require_tempos(wrong)


def test_rolls_check_metre_and_tempos():
    assert silent().metre == (4, 4)
    assert silent(steps=36).metre == (3, 4)
    assert "2 bars of 6/8" in repr(silent(steps=36, metre=(6, 8)))
    assert silent(steps=5).metre is None
    for timing, kind, words in (
        ({"metre": (3, 4)}, UserError, "36 steps"),
        ({"metre": "4/4"}, TypeError, "pair"),
        ({"metre": (0, 4)}, UserError, "positive"),
        ({"tempos": ((1, 90.0),)}, UserError, "step 0"),
        ({"tempos": 90}, TypeError, "tempos"),
    ):
        with pytest.raises(kind, match=words):
            silent(**timing)
    assert silent().bpm == 120
    assert silent().at_tempo(90.0).bpm == 90
    assert silent(tempos=((0, 77.0),)).at_tempo(None).bpm == 77


def test_conversions_of_rolls_keep_metre_and_tempos():
    roll = silent(bars=4, steps=36, metre=(6, 8), tempos=((0, 90.0), (50, 60.0)))
    for other in (roll.encoded("onset"), roll.encoded("onset").encoded("pause"), stack_rolls([roll]).roll(0)):
        assert (other.metre, other.tempos) == (roll.metre, roll.tempos)
    assert [line.tempos for line in split_lines(roll, 3)] == [((0, 90.0), (50, 60.0)), ((0, 60.0),)]
    joined = join_rolls([roll, roll.at_tempo(60.0)])
    assert (joined.metre, joined.tempos) == ((6, 8), roll.tempos)
    assert join_with_rests([roll.at_tempo(60.0), roll.at_tempo(90.0)]).tempos == ((0, 60.0), (180, 90.0))
    song = roll.to_song()
    assert song.tempos["tick"].tolist() == [0, 50]
    assert roll.to_song(bpm=75).tempos.tolist() == [(0, 75.0)]


def test_npz_files_keep_metres_and_tempos(tmp_path):
    rolls = [silent(steps=36, metre=(6, 8), tempos=((0, 90.0), (50, 60.0))), silent(steps=36, tempos=((0, 80.0),))]
    for some in (rolls, rolls[:1], rolls[1:], [silent(steps=36)]):
        write_phrases(stack_rolls(some), tmp_path / "some.npz")
        read, meta = read_phrases(tmp_path / "some.npz")
        assert [(read.roll(i).metre, read.roll(i).tempos) for i in range(len(some))] == [
            (roll.metre, roll.tempos) for roll in some
        ]
        chosen = read[np.array([len(some) - 1])]
        assert (chosen.roll(0).metre, chosen.roll(0).tempos) == (some[-1].metre, some[-1].tempos)
    assert meta["metre"] == [3, 4]
    rolls[1].save(tmp_path / "one.npz", bpm=99)
    assert read_phrases(tmp_path / "one.npz")[1]["bpm"] == 99


@pytest.mark.parametrize(
    ("key", "value"),
    [("metre", [4, 5]), ("metre", "4/4"), ("metres", [[4, 4]]), ("bpm", -1), ("bpm", "x"), ("tempos", [[[1, 90]]])],
    ids=str,
)
def test_damaged_timing_in_an_npz_is_refused(key, value, tmp_path):
    write_phrases(stack_rolls([silent(steps=36)]), tmp_path / "one.npz")
    phrases, _ = read_phrases(tmp_path / "one.npz")
    write_phrases(stack_rolls([silent(steps=5)]), tmp_path / "one.npz", **{key: value})
    with pytest.raises(UserError, match=r"one\.npz"):
        read_phrases(tmp_path / "one.npz")
    assert len(phrases) == 1


def test_shapes_know_metre_and_tempo():
    values = {"track_set": "lpd-5", "resolution": 12, "bars": 4, "steps": 36, "encoding": "onset"}
    assert RollShape(**values) == RollShape(**values, metre=(3, 4))
    assert RollShape(**values, metre=(6, 8)).metre == (6, 8)
    assert RollShape(**values).bpm is None
    for wrong in ({"metre": (4, 4)}, {"metre": (0, 4)}, {"bpm": 1.0}, {"bpm": "fast"}):
        with pytest.raises(ValueError, match=r"metre|bpm|bar"):
            RollShape(**values, **wrong)


@pytest.mark.parametrize(
    ("rows", "to", "expected"),
    [
        ([(8, 2, 4)], (4, 4), [(4, 4, 4)]),
        ([(16, 1, 4)], (4, 4), [(4, 4, 4)]),
        ([(2, 4, 4), (4, 2, 4), (1, 4, 4)], (4, 4), [(5, 4, 4)]),
        ([(2, 4, 4), (1, 2, 4), (2, 4, 4)], (4, 4), [(2, 4, 4), (1, 2, 4), (2, 4, 4)]),
        ([(1, 1, 4), (8, 2, 4)], (4, 4), [(1, 1, 4), (4, 4, 4)]),
        ([(7, 2, 4)], (4, 4), [(4, 4, 4)]),
        ([(4, 3, 8)], (6, 8), [(2, 6, 8)]),
        ([(4, 3, 4)], (4, 4), [(4, 3, 4)]),
    ],
)
def test_short_bars_are_joined(rows, to, expected, tmp_path):
    piece = quantise(read_midi(write_bars(tmp_path / "piece.mid", rows)), LPD_5, 12, join=to)
    assert piece.metres.tolist() == [[n, d] for bars, n, d in expected for _ in range(bars)]
    assert piece.full.all()


def test_joined_bars_begin_at_the_first_downbeat():
    note = (480 * 2, 480, 60, 90, 0, False, 0)  # the first bar of 2/4 is silent
    halves = table(TIME_SIGNATURE, [(0, 2, 4)])
    piece = quantise(Song(480, table(NOTE, [note]), time_signatures=halves, end=480 * 10), LPD_5, 4, join=(4, 4))
    assert piece.bar_starts.tolist() == [0, 8, 24, 40]
    assert piece.metres.tolist() == [[2, 4], [4, 4], [4, 4]]
