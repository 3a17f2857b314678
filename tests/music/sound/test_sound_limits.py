"""Malicious input: damaged SoundFonts, endless pieces, thousands of notes. Each ends soon, in an error or in audio."""

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


def test_files_that_are_not_soundfonts_are_refused(tmp_path: Path) -> None:
    assert "not a SoundFont" in refusal(b"", tmp_path)
    assert "not a SoundFont" in refusal(b"RIFF\4\0\0\0WAVE", tmp_path)
    assert "is missing" in refusal(b"RIFF\4\0\0\0sfbk", tmp_path)
    assert "truncated" in refusal(GOOD[:-100], tmp_path)
    assert "invalid size" in refusal(GOOD.replace(b"shdr\x5c\0\0\0", b"shdr\x5b\0\0\0"), tmp_path)
    with pytest.raises(OSError, match="No such file"):
        render(song(*FEW), soundfont=tmp_path / "none.sf2")
    with pytest.raises(OSError, match="directory"):
        render(song(*FEW), soundfont=tmp_path)
    with pytest.raises(UserError, match="not a regular file"):
        render(song(*FEW), soundfont=os.devnull)


def test_indices_out_of_range_are_refused(tmp_path: Path) -> None:
    row = SAMPLE.to_bytes(2, "little") + b"\0\0"
    assert "no sample 9" in refusal(GOOD.replace(row, SAMPLE.to_bytes(2, "little") + b"\x09\0"), tmp_path)
    at = GOOD.index(b"pbag") + 8
    assert "out of order" in refusal(GOOD[:at] + b"\xff\xff" + GOOD[at + 2 :], tmp_path)
    compressed = bytearray(GOOD)
    compressed[GOOD.index(b"shdr") + 8 + 44] |= 0x10
    assert "compressed" in refusal(bytes(compressed), tmp_path)


def damaged(original: bytes, rng: random.Random) -> bytes:
    """Change, cut or repeat bytes, mostly in the tables after the samples."""
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
    """Render with damaged SoundFonts: each gives a UserError or finite audio, within 2 GB."""
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


@pytest.mark.slow
def test_damaged_soundfonts_in_a_subprocess(tmp_path: Path) -> None:
    assert call(play_damaged, str(tmp_path)) == 0


def test_a_preset_of_very_many_regions_is_refused(tmp_path: Path) -> None:
    assert "regions" in refusal(soundfont(sine(), *[[(LOOP_MODE, 1)]] * 5000), tmp_path)
    # A few hundred are fine; one note plays at most 16 of them.
    path = tmp_path / "layers.sf2"
    path.write_bytes(soundfont(sine(), *[[(LOOP_MODE, 1)]] * 500))
    assert np.isfinite(render(song(*FEW), soundfont=path)).all()


def test_a_piece_of_hours_is_refused_and_its_beginning_can_be_rendered() -> None:
    far = song((0, 1, 60), (3 * 3600, 1, 60))
    with pytest.raises(UserError, match=r"lasts 3:00:01, more than the 0:21:41 that can be rendered"):
        render(far)
    assert len(render(far, seconds=2)) <= 7 * RATE
    with pytest.raises(UserError, match="more than the 0:21:41"):
        render(far, seconds=3 * 3600)
    with pytest.raises(UserError, match="more than the 0:29:55"):
        render(far, 8_000)  # rendered at four times the rate
    # A rest of hours after the last note is cut.
    assert len(render(song((0, 1, 60), end=3 * 3600))) < 7 * RATE


def test_huge_ticks_are_refused() -> None:
    notes = table(NOTE, [(1 << 60, 1 << 60, 60, 100, 0, False, 0)])
    with pytest.raises(UserError, match="more than"):
        render(Song(1, notes))


def test_polyphony_is_limited() -> None:
    rows = np.zeros(5_000, NOTE)
    rows["pitch"], rows["duration"], rows["velocity"] = np.arange(5_000) % 128, 480, 100
    audio = render(Song(480, rows), 8_000)
    assert np.isfinite(audio).all()
    assert len(audio) < 8 * 8_000


def test_too_much_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_MAX_WORK", 60)
    with pytest.raises(UserError, match="distinct sounds"):
        render(song(*[(0, 50, pitch) for pitch in range(40, 60)], program=16))


@pytest.mark.parametrize(
    "wrong",
    [
        *({"rate": 7_999}, {"rate": 96_001}, {"bpm": 0}, {"bpm": float("nan")}),
        *({"reverb": -1}, {"loudness": 1}, {"seconds": -1}, {"seconds": float("nan")}, {"rate": 44_100.5}),
        *({"channels": 3}, {"synth": "none"}),
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=f"{next(iter(wrong))} must be"):
        render(song(*FEW), **wrong)


def test_music_of_another_type_is_refused() -> None:
    for wrong in (np.zeros((5, 4, 16, 84), bool), "song.mid", None):
        with pytest.raises(UserError, match="must be a Song or a Roll"):
            render(wrong)


def test_zone_pairs_without_a_region_count_against_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "disjoint.sf2"
    low, high = 0 | 10 << 8, 100 | 127 << 8
    path.write_bytes(soundfont(sine(), *[[(KEYS, high)]] * 5000, outer=[(KEYS, low)]))
    with pytest.raises(UserError, match="regions"):
        render(song(*FEW), soundfont=path)
