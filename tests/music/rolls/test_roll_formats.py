"""Roll.save, Roll._repr_html_ and the conversions to other libraries."""

from __future__ import annotations

import base64
import re
import wave
from dataclasses import replace

import numpy as np
import pytest
from wild import LPD_5

from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.midi.read import read_midi
from bgmusic.music.rolls import formats
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.interop.note_rows import notes_from_rows
from bgmusic.music.rolls.midi_files import midi_bytes
from bgmusic.music.rolls.phrase_files import read_phrases
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import Track, TrackSet

MAGIC = {
    ".mid": b"MThd",
    ".MIDI": b"MThd",
    ".npz": b"PK",
    ".png": b"\x89PNG",
    ".wav": b"RIFF",
    ".flac": b"fLaC",
    ".ogg": b"OggS",
    ".mp3": b"",
}


@pytest.fixture(scope="module")
def roll():
    return Roll.from_notes(notes_from_rows([(1, 0, 4, 60), (1, 4, 4, 64), (0, 0, 1, 36)]), LPD_5, 4, 1, 16)


@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_save_chooses_the_format_by_suffix(roll, tmp_path, suffix, kind):
    path = tmp_path / f"roll{suffix}"
    roll.save(kind(path))
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_saved_files_hold_the_roll(roll, tmp_path):
    roll.save(tmp_path / "roll.mid", bpm=90)
    song = read_midi(tmp_path / "roll.mid")
    assert song.bpm == pytest.approx(90, rel=1e-4)
    assert np.array_equal(quantise(song, LPD_5, 4).notes, roll.notes())
    roll.save(tmp_path / "roll.npz")
    loaded, _ = read_phrases(tmp_path / "roll.npz")
    assert np.array_equal(loaded.roll(0).cells, roll.cells)
    assert np.array_equal(loaded.roll(0).onsets, roll.onsets)
    lengths = []
    for bpm in (60, 240):
        roll.save(tmp_path / "roll.wav", bpm=bpm)
        with wave.open(str(tmp_path / "roll.wav")) as file:
            lengths.append(file.getnframes() / file.getframerate())
    assert lengths[0] > lengths[1] + 1


def test_an_option_that_the_format_lacks_is_an_error_that_names_the_file(roll, tmp_path):
    with pytest.raises(TypeError, match=r"roll\.png.*bpm"):
        roll.save(tmp_path / "roll.png", bpm=90)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["roll.xyz", "roll", "roll.mid.gz"])
def test_an_unknown_suffix_is_an_error_that_lists_the_known_ones(roll, tmp_path, name):
    with pytest.raises(UserError, match=r"\.mid .*\.png .*\.mp3") as caught:
        roll.save(tmp_path / name)
    assert name in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_every_entry_point_names_a_function():
    names = [*formats.WRITERS.values()]
    names += [
        value for name, value in vars(formats).items() if isinstance(value, str) and name.startswith(("TO_", "FROM_"))
    ]
    assert all(callable(formats.resolve(name)) for name in names)


def test_repr_is_one_line(roll):
    assert repr(roll) == "Roll(lpd-5: Drums, Piano, Guitar, Bass, Strings; 1 bar of 4/4, 4 steps per beat, 3 notes)"
    odd = Roll(LPD_5, 5, np.zeros((5, 2, 7, 84), dtype=np.bool_))
    assert "2 bars of 7 steps, 5 steps per beat, 0 notes" in repr(odd)
    many = TrackSet("a\nset", tuple(Track(f"T{n}", 0) for n in range(64)), pitches=12)
    text = repr(Roll(many, 4, np.zeros((64, 1, 4, 12), dtype=np.bool_)))
    assert "\n" not in text
    assert len(text) < 150
    assert "64 tracks" in text


def test_html_shows_a_picture_and_a_player(roll):
    page = roll._repr_html_()
    kinds = re.findall(r'src="data:([a-z/]+);base64,([A-Za-z0-9+/=]+)"', page)
    assert [kind for kind, _ in kinds] == ["image/png", "audio/mpeg"]
    assert base64.b64decode(kinds[0][1]).startswith(b"\x89PNG")
    assert "3 notes" in page


def test_html_of_silence_has_no_player(roll):
    silence = replace(roll, cells=np.zeros_like(roll.cells), onsets=None)
    assert "<audio" not in silence._repr_html_()


def test_html_without_a_sound_gives_the_reason(roll, monkeypatch):
    def fail(*_args, **_options):
        raise UserError("no <sound> library")

    monkeypatch.setattr("bgmusic.music.sound.files.roll_mp3", fail)
    page = roll._repr_html_()
    assert "<audio" not in page
    assert "no &lt;sound&gt; library" in page


def test_html_escapes_names():
    tracks = TrackSet("<script>", (Track('"><img src=x onerror=alert(1)>', 0),), low=60, pitches=12)
    cells = np.zeros((1, 1, 4, 12), dtype=np.bool_)
    page = Roll(tracks, 1, cells)._repr_html_()
    assert "<script" not in page
    assert page.count("<img") == 1


def test_other_libraries_give_the_roll_back(roll):
    satb = open_corpus("bach").roll(5)
    for given in (roll, satb):
        tracks, resolution = given.track_set, given.resolution
        for other in (
            Roll.from_pretty_midi(given.to_pretty_midi(90), tracks, resolution),
            Roll.from_muspy(given.to_muspy(), tracks, resolution),
            Roll.from_pypianoroll(given.to_pypianoroll(bpm=80), tracks, resolution),
            Roll.from_song(given.to_song(), tracks, resolution),
        ):
            assert np.array_equal(other.notes(), given.notes())
            assert other.cells.shape == given.cells.shape


def test_a_song_without_notes_for_the_tracks_is_an_error(roll):
    other = TrackSet("one", (Track("Flute", 73, programs=(73,)),))
    with pytest.raises(UserError, match="no notes for the tracks of 'one'"):
        Roll.from_song(roll.to_song(), other, 4)


def test_midi_bytes_take_songs_and_rolls_alone(roll):
    assert midi_bytes(roll) == midi_bytes(roll.to_song())
    with pytest.raises(TypeError, match="Song or a Roll, not ndarray"):
        midi_bytes(roll.cells)
