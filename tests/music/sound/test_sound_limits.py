"""Hostile input: damaged SoundFonts, endless pieces, crowds of notes. Each ends in a line or in sound, soon."""

from __future__ import annotations

import os
import random
import resource
from pathlib import Path

import numpy as np
import pytest
from children import call
from songs import RATE, song
from soundfont_maker import CUTOFF, KEYS, LOOP_MODE, SAMPLE, sine, soundfont

from bgmusic.errors import UserError
from bgmusic.music.midi.song import NOTE, Song, table
from bgmusic.music.sound import render, rendering
from bgmusic.music.sound.soundfont import default_soundfont

FEW = [(beat / 4, 0.2, pitch) for beat, pitch in enumerate((36, 60, 72, 100))]
GOOD = soundfont(sine(), [(LOOP_MODE, 1), (KEYS, 70 << 8)], [(CUTOFF, 6000), (KEYS, 127 << 8 | 71)])


def refusal(content: bytes, folder: Path) -> str:
    path = folder / "bad.sf2"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        render(song(*FEW), soundfont=path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_what_is_no_soundfont_is_said(tmp_path: Path) -> None:
    assert "no SoundFont" in refusal(b"", tmp_path)
    assert "no SoundFont" in refusal(b"RIFF\4\0\0\0WAVE", tmp_path)
    assert "no chunk" in refusal(b"RIFF\4\0\0\0sfbk", tmp_path)
    assert "cut off" in refusal(GOOD[:-100], tmp_path)
    assert "no table" in refusal(GOOD.replace(b"shdr\x5c\0\0\0", b"shdr\x5b\0\0\0"), tmp_path)
    with pytest.raises(OSError, match="No such file"):
        render(song(*FEW), soundfont=tmp_path / "none.sf2")
    with pytest.raises(OSError, match="directory"):
        render(song(*FEW), soundfont=tmp_path)
    with pytest.raises(UserError, match="not a file"):
        render(song(*FEW), soundfont=os.devnull)


def test_indices_that_lead_nowhere_are_said(tmp_path: Path) -> None:
    row = SAMPLE.to_bytes(2, "little") + b"\0\0"
    assert "no sample 9" in refusal(GOOD.replace(row, SAMPLE.to_bytes(2, "little") + b"\x09\0"), tmp_path)
    at = GOOD.index(b"pbag") + 8
    assert "out of order" in refusal(GOOD[:at] + b"\xff\xff" + GOOD[at + 2 :], tmp_path)
    compressed = bytearray(GOOD)
    compressed[GOOD.index(b"shdr") + 8 + 44] |= 0x10
    assert "compressed" in refusal(bytes(compressed), tmp_path)


def damaged(original: bytes, rng: random.Random) -> bytes:
    """Bytes changed, cut out or doubled, mostly in the tables behind the samples."""
    data = bytearray(original)
    tables = original.rindex(b"pdta")
    for _ in range(rng.choice((1, 2, 8))):
        at = rng.randrange(tables - 8, len(data)) if rng.random() < 0.9 else rng.randrange(min(400, len(data)))
        kind = rng.randrange(5)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at : at + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x80"))
        elif kind == 2:
            data[at : at + 2] = rng.choice((b"\xff\xff", b"\0\x80", b"\xff\x7f", b"\0\0"))
        elif kind == 3:
            del data[at : at + rng.randrange(1, 40)]
        else:
            data[at:at] = data[at : at + rng.randrange(1, 200)]
        tables = min(tables, len(data) - 1)
    return bytes(data)


def play_damaged(folder: str) -> None:
    """Each of many damaged SoundFonts ends in a refusal or in finite sound, within 2 GB."""
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    rng = random.Random(1)
    path = Path(folder) / "damaged.sf2"
    ends = {"refused": 0, "played": 0}
    real = default_soundfont().read_bytes()
    drums = song(*FEW, drums=True)
    for number in range(150):
        path.write_bytes(damaged(real if number % 10 == 0 else GOOD, rng))
        try:
            for music in (song(*FEW), drums):
                audio = render(music, 8_000, path)
                assert np.isfinite(audio).all()
                assert np.abs(audio).max(initial=0) < 1
            ends["played"] += 1
        except UserError:
            ends["refused"] += 1
    assert min(ends.values()) > 30, ends


def test_damaged_soundfonts_in_a_process_of_their_own(tmp_path: Path) -> None:
    assert call(play_damaged, str(tmp_path)) == 0


def test_a_preset_of_very_many_regions_is_refused(tmp_path: Path) -> None:
    assert "regions" in refusal(soundfont(sine(), *[[(LOOP_MODE, 1)]] * 5000), tmp_path)
    # Some hundreds are fine, but one note plays few of them.
    path = tmp_path / "layers.sf2"
    path.write_bytes(soundfont(sine(), *[[(LOOP_MODE, 1)]] * 500))
    assert np.isfinite(render(song(*FEW), soundfont=path)).all()


def test_a_note_hours_away_is_refused_and_its_beginning_can_be_heard() -> None:
    far = song((0, 1, 60), (3 * 3600, 1, 60))
    with pytest.raises(UserError, match=r"lasts 3:00:01, more than the 0:21:41 that can be rendered"):
        render(far)
    assert len(render(far, seconds=2)) <= 7 * RATE
    with pytest.raises(UserError, match="more than the 0:21:41"):
        render(far, seconds=3 * 3600)
    with pytest.raises(UserError, match="more than the 0:29:55"):
        render(far, 8_000)  # made at four times the rate
    # A silence of hours behind the last note is no music.
    assert len(render(song((0, 1, 60), end=3 * 3600))) < 7 * RATE


def test_ticks_beyond_counting_are_refused() -> None:
    notes = table(NOTE, [(1 << 60, 1 << 60, 60, 100, 0, False, 0)])
    with pytest.raises(UserError, match="more than"):
        render(Song(1, notes))


def test_a_crowd_of_notes_is_thinned() -> None:
    rows = np.zeros(5_000, NOTE)
    rows["pitch"], rows["duration"], rows["velocity"] = np.arange(5_000) % 128, 480, 100
    audio = render(Song(480, rows), 8_000)
    assert np.isfinite(audio).all()
    assert len(audio) < 8 * 8_000


def test_too_much_to_compute_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_MOST_WORK", 60)
    with pytest.raises(UserError, match="different sounds"):
        render(song(*[(0, 50, pitch) for pitch in range(40, 60)], program=16))


@pytest.mark.parametrize(
    "wrong",
    [
        *({"rate": 7_999}, {"rate": 96_001}, {"bpm": 0}, {"bpm": float("nan")}),
        *({"reverb": -1}, {"loudness": 1}, {"seconds": -1}, {"seconds": float("nan")}),
    ],
    ids=str,
)
def test_numbers_that_make_no_sense_are_said(wrong: dict) -> None:
    with pytest.raises(UserError, match=f"{next(iter(wrong))} .* is not within"):
        render(song(*FEW), **wrong)


def test_regions_that_never_sound_are_counted_too(tmp_path: Path) -> None:
    path = tmp_path / "disjoint.sf2"
    low, high = 0 | 10 << 8, 100 | 127 << 8
    path.write_bytes(soundfont(sine(), *[[(KEYS, high)]] * 5000, outer=[(KEYS, low)]))
    with pytest.raises(UserError, match="regions"):
        render(song(*FEW), soundfont=path)
