"""``bgmusic.read``: MIDI files with their pedal, and phrases of npz files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bgmusic
from bgmusic.errors import UserError
from bgmusic.music.midi.read import read_midi
from bgmusic.music.rolls.joining import cut_roll
from bgmusic.music.rolls.phrase_files import write_phrases
from bgmusic.music.rolls.phrases import stack_rolls
from bgmusic.music.rolls.roll import Roll

PEDALLED = Path(__file__).parents[2] / "data" / "midi_cases" / "pedalled.mid"


def alike(one: Roll, other: Roll) -> bool:
    same = (one.track_set, one.resolution, one.metre, one.tempos) == (
        other.track_set,
        other.resolution,
        other.metre,
        other.tempos,
    )
    return same and np.array_equal(one.channels(), other.channels())


@pytest.fixture(scope="module")
def rolls() -> list[Roll]:
    corpus = bgmusic.open_corpus("bach")
    return [corpus.roll(index) for index in (0, 100, 200)]


@pytest.mark.parametrize("encoding", ["onset", "pause"])
def test_a_saved_npz_is_read_back(rolls: list[Roll], encoding: str, tmp_path: Path) -> None:
    roll = rolls[0].encoded(encoding)  # type: ignore[arg-type]
    roll.save(tmp_path / "one.npz")
    assert alike(bgmusic.read(tmp_path / "one.npz"), roll)
    assert bgmusic.read(tmp_path / "one.npz", encoding="pause").encoding == "pause"
    assert alike(bgmusic.read(str(tmp_path / "one.npz"), tracks="satb", resolution=4, index=0), roll)


def test_index_chooses_a_phrase_of_several(rolls: list[Roll], tmp_path: Path) -> None:
    path = tmp_path / "several.NPZ"
    write_phrases(stack_rolls(rolls), path)
    for index, roll in enumerate(rolls):
        assert alike(bgmusic.read(path, index=index), roll)
    part = bgmusic.read(path, index=1, first_bar=1, bars=2)
    assert np.array_equal(part.cells, rolls[1].cells[:, 1:3])
    for options, words in (
        ({}, r"several\.NPZ holds 3 phrases: choose one by index, 0 to 2"),
        ({"index": 3}, "no phrase 3; the file has phrases 0 to 2"),
        ({"index": -1}, "no phrase -1"),
        ({"index": 0, "first_bar": 3, "bars": 2}, "no 2 bars from bar 3: the roll has bars 0 to 3"),
        ({"index": 0, "tracks": "lpd-5"}, "tracks are those of 'satb', not 'lpd-5'"),
        ({"index": 0, "resolution": 12}, "4 steps per beat, not 12"),
        ({"index": 0, "pedal": True}, "pedal is for MIDI files"),
    ):
        with pytest.raises(UserError, match=words):
            bgmusic.read(path, **options)
    with pytest.raises(TypeError, match="index must be an integer"):
        bgmusic.read(path, index=1.0)  # type: ignore[arg-type]


def test_a_damaged_npz_gives_one_line(rolls: list[Roll], tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    rolls[0].save(path)
    content, messages = path.read_bytes(), []
    for place in range(0, len(content), 97):
        changed = bytearray(content)
        changed[place] ^= 0xFF
        for damaged in (bytes(changed), content[:place]):
            path.write_bytes(damaged)
            try:
                bgmusic.read(path)
            except UserError as error:
                messages.append(str(error))
    assert len(messages) > 10
    assert all("\n" not in message and str(path) in message for message in messages)


def test_parts_of_rolls_keep_their_tempos(rolls: list[Roll]) -> None:
    roll = replace(rolls[0], tempos=((0, 60.0), (20, 90.0), (40, 120.0)))
    part = cut_roll(roll, 1, 2)
    assert (part.bars, part.metre, part.tempos) == (2, roll.metre, ((0, 60.0), (4, 90.0), (24, 120.0)))
    assert alike(cut_roll(roll, 0), roll)
    for first, bars in ((-1, None), (4, None), (0, 0), (2, 3)):
        with pytest.raises(UserError, match="the roll has bars 0 to 3"):
            cut_roll(roll, first, bars)
    with pytest.raises(TypeError, match="first must be an integer"):
        cut_roll(roll, 0.5)  # type: ignore[arg-type]


def test_notes_last_as_they_sound_under_the_pedal() -> None:
    held, sounding = bgmusic.read(PEDALLED), bgmusic.read(PEDALLED, pedal=True)
    assert sounding.cells.sum() > held.cells.sum()
    assert np.array_equal(sounding.onsets, held.onsets)  # type: ignore[arg-type]
    assert len(read_midi(PEDALLED).notes) == len(sounding.notes())


def test_a_midi_file_has_no_index() -> None:
    with pytest.raises(UserError, match="a MIDI file is one piece"):
        bgmusic.read(PEDALLED, index=0)
    with pytest.raises(UserError, match="encoding"):
        bgmusic.read(PEDALLED, encoding="other")  # type: ignore[arg-type]
