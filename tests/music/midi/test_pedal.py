"""The sustain pedal in notes: how long they sound, and what ``--pedal`` would change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgmusic.music.midi.pedal import PedalUse, pedal_use, sounding_ends, with_pedal
from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import CONTROL, NOTE, Song, select_parts, sort_notes, table

CASES = Path(__file__).parents[2] / "data" / "midi_cases"
PEDAL, RESET = 64, 121


def song(notes: list[tuple[int, int, int]], pedals: list[tuple[int, int]], **more: object) -> Song:
    """Make a song of (onset, duration, pitch), with pedals of (tick, value)."""
    rows = [(onset, length, pitch, 90, 0, False, 0) for onset, length, pitch in notes]
    controls = table(CONTROL, [(tick, 0, PEDAL, value) for tick, value in pedals])
    return replace(Song(480, sort_notes(table(NOTE, rows)), parts=("",), controls=controls), **more)  # type: ignore[arg-type]


def test_notes_of_the_pedalled_case_last_until_the_pedal_is_released() -> None:
    read = read_midi(CASES / "pedalled.mid", controls=True)
    assert pedal_use(read) == PedalUse(pressed=8, longer=64, beats=pytest.approx(2, abs=0.1))
    lasting = with_pedal(read)
    assert lasting.notes["onset"].tolist() == read.notes["onset"].tolist()
    ends = (lasting.notes["onset"] + lasting.notes["duration"]).tolist()
    bar = 4 * read.ticks_per_beat
    again = {}  # the next onset of the pitch
    for onset, pitch, end in sorted(zip(read.notes["onset"].tolist(), read.notes["pitch"].tolist(), ends, strict=True))[
        ::-1
    ]:
        line = (onset // bar + 1) * bar
        assert line - 20 <= end <= line or end == again[pitch]
        again[pitch] = onset


@pytest.mark.parametrize(
    ("pedals", "end"),
    [
        ([(0, 127), (50, 0)], 50),
        ([(0, 127), (50, 63)], 50),
        ([(0, 127), (5, 0), (6, 127), (50, 0)], 50),  # pressed again before the key is released
        ([(0, 127), (10, 0)], 10),
        ([(10, 127), (50, 0)], 10),  # pressed as the key is released
        ([(0, 127), (30, 0), (30, 127), (50, 0)], 30),  # released and pressed at one tick
        ([(0, 127)], 100),
        ([(0, 127), (20, 64)], 100),
        ([], 10),
    ],
)
def test_pedals_at_all_times(pedals: list[tuple[int, int]], end: int) -> None:
    assert sounding_ends(song([(0, 10, 60)], pedals, end=100)).tolist() == [end]


def test_reset_all_controllers_releases_the_pedal() -> None:
    reset = table(CONTROL, [(0, 0, PEDAL, 127), (40, 0, RESET, 0), (60, 0, PEDAL, 127)])
    assert sounding_ends(song([(0, 10, 60)], [], end=100, controls=reset)).tolist() == [40]


def test_drums_keep_their_length() -> None:
    piece = song([(0, 10, 36), (20, 10, 38)], [(0, 127)], end=100)
    piece.notes["is_drum"][0] = True
    assert with_pedal(piece).notes["duration"].tolist() == [10, 80]
    assert pedal_use(piece) == PedalUse(1, 1, 70 / 480)


def test_without_a_pedal() -> None:
    piece = song([(0, 10, 36)], [])
    assert pedal_use(piece) == PedalUse(0, 0, 0.0)
    assert with_pedal(piece).notes.tolist() == piece.notes.tolist()
    released = song([(0, 10, 36)], [(0, 0), (20, 0)])
    assert pedal_use(released) == PedalUse(0, 0, 0.0)


small = st.integers(0, 12)


@given(
    st.lists(st.tuples(small, st.integers(1, 6), st.integers(60, 61), st.integers(0, 2)), min_size=1, max_size=10),
    st.lists(st.tuples(small, st.integers(0, 2), st.sampled_from([0, 63, 64, 127])), max_size=8),
)
def test_parts_of_one_channel_sound_like_one_part(
    notes: list[tuple[int, int, int, int]], pedals: list[tuple[int, int, int]]
) -> None:
    rows = [(onset, length, pitch, 90, 0, False, part) for onset, length, pitch, part in notes]
    controls = [(tick, part, PEDAL, value) for tick, part, value in sorted(pedals, key=lambda row: row[0])]
    apart = Song(
        4, sort_notes(table(NOTE, rows)), parts=("a", "b", "c"), controls=table(CONTROL, controls), channels=(5, 5, 5)
    )
    one = replace(apart, notes=apart.notes.copy(), controls=apart.controls.copy(), parts=("a",), channels=(5,))
    one.notes["part"], one.controls["part"] = 0, 0
    assert sounding_ends(apart).tolist() == sounding_ends(one).tolist()


def test_select_parts_keeps_the_controllers_of_the_channel() -> None:
    rows = [(tick, 4, 60 + part, 90, 0, False, part) for tick in (0, 10) for part in range(4)]
    controls = table(CONTROL, [(0, 0, 64, 127), (1, 1, 7, 50), (2, 2, 11, 9), (3, 3, 10, 1)])
    piece = Song(4, table(NOTE, rows), parts=("a", "b", "c", "d"), controls=controls, channels=(1, 2, 1, 2))
    some = select_parts(piece, [1, 2])
    assert (some.parts, some.channels) == (("b", "c"), (2, 1))
    assert some.notes[["pitch", "part"]].tolist() == [(61, 0), (62, 1)] * 2
    assert some.controls.tolist() == [(0, 1, 64, 127), (1, 0, 7, 50), (2, 1, 11, 9), (3, 0, 10, 1)]
    # Without channels each part has its own.
    own = select_parts(replace(piece, channels=()), [1, 2])
    assert own.controls.tolist() == [(1, 0, 7, 50), (2, 1, 11, 9)]
