"""Audio files: other readers read back what was written; errors leave no file."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bgmusic.errors import UserError
from bgmusic.music import sound
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet

RATE = 44_100


def music(channels: int = 2) -> np.ndarray:
    time = np.arange(RATE)[:, None] / RATE
    return (0.3 * np.sin(2 * np.pi * np.array([440, 660])[:channels] * time)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
def test_wav_is_read_by_the_standard_library(channels: int) -> None:
    audio = music(channels)
    content = sound.wav_bytes(audio[:, 0] if channels == 1 else audio, RATE)
    with wave.open(io.BytesIO(content)) as file:
        form = file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()
        samples = np.frombuffer(file.readframes(RATE), "<i2").reshape(-1, channels)
    assert form == (RATE, channels, 2, RATE)
    np.testing.assert_allclose(samples / 32767, audio, atol=0.51 / 32767)
    assert content == sound.wav_bytes(audio, RATE)


@pytest.mark.parametrize("kind", sound.FORMATS)
def test_every_format_is_read_back(kind: str, tmp_path: Path) -> None:
    audio, path = music(), tmp_path / f"music.{kind.upper()}"
    sound.write_audio(path, audio, RATE)
    content = sound.audio_bytes(audio, RATE, kind)
    assert len(content) == path.stat().st_size
    if kind != "ogg":  # Ogg has a random serial number
        assert content == path.read_bytes()
    back, rate = soundfile.read(io.BytesIO(content))
    assert rate == RATE
    assert back.shape == audio.shape
    assert 10 * np.log10(np.mean((back - audio) ** 2) / np.mean(audio**2)) < (-80 if kind in ("wav", "flac") else -20)
    named = {"wav": sound.wav_bytes, "mp3": sound.mp3_bytes, "ogg": sound.ogg_bytes}
    assert kind not in named or len(named[kind](audio, RATE)) == len(content)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", sound.FORMATS)
def test_silence_and_empty_audio_are_valid_files(kind: str) -> None:
    for count in (0, 1, RATE):
        back, _ = soundfile.read(io.BytesIO(sound.audio_bytes(np.zeros((count, 2), np.float32), RATE, kind)))
        assert not back.any()


def test_long_sounds_are_written_in_blocks(tmp_path: Path) -> None:
    """The Vorbis encoder of libsndfile overflows its stack on one long write."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (20 * RATE, 2)).astype(np.float32)
    sound.write_audio(tmp_path / "noise.ogg", noise, RATE)
    assert soundfile.info(tmp_path / "noise.ogg").frames == len(noise)


def test_samples_out_of_range_are_clipped() -> None:
    content = sound.wav_bytes(np.array([[2.0, -2.0]], np.float32), RATE)
    assert np.frombuffer(content[44:], "<i2").tolist() == [32767, -32767]


def test_errors_leave_no_file(tmp_path: Path) -> None:
    for name, message in (("music.aiff", "suffix"), ("music", "suffix")):
        with pytest.raises(UserError, match=message):
            sound.write_audio(tmp_path / name, music(), RATE)
    with pytest.raises(UserError, match="mp3 does not support 2 channels at 96000 Hz"):
        sound.write_audio(tmp_path / "music.mp3", music(), 96_000)
    with pytest.raises(UserError, match="not one of wav"):
        sound.audio_bytes(music(), RATE, "aiff")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("audio", "rate", "says"),
    [
        (np.zeros((9, 2), np.int16), RATE, "int16"),
        (np.zeros((9, 2), bool), RATE, "bool"),
        (np.zeros((2, RATE), np.float32), RATE, r"\(2, 44100\)"),
        (np.zeros((9, 0), np.float32), RATE, r"\(9, 0\)"),
        (np.zeros((9, 2, 1), np.float32), RATE, r"\(9, 2, 1\)"),
        (np.full((9, 2), np.nan, np.float32), RATE, "NaN"),
        ([0.0, 0.5], RATE, "list"),
        (np.zeros((9, 2), np.float32), 44_100.0, "44100.0"),
        (np.zeros((9, 2), np.float32), 0, "rate"),
    ],
    ids=str,
)
def test_audio_of_another_dtype_or_shape_is_refused(audio: Any, rate: Any, says: str, tmp_path: Path) -> None:
    for kind in sound.FORMATS:
        with pytest.raises(UserError, match=says):
            sound.write_audio(tmp_path / f"music.{kind}", audio, rate)
    assert not list(tmp_path.iterdir())


def test_a_roll_becomes_an_audio_file(tmp_path: Path) -> None:
    roll = Roll(TrackSet.load("satb"), 4, np.zeros((4, 1, 16, TrackSet.load("satb").pitches), np.bool_))
    roll.cells[0, 0, :4, 30] = True
    for suffix in ("wav", "mp3"):
        path = tmp_path / f"roll.{suffix}"
        sound.save_roll(str(path), roll, bpm=240, rate=22_050, channels=1)
        assert soundfile.info(path).samplerate == 22_050
        assert 0.9 < soundfile.info(path).duration < 7
    assert (tmp_path / "roll.wav").read_bytes() == sound.wav_bytes(
        sound.render(roll, 22_050, bpm=240, channels=1), 22_050
    )
    info = soundfile.info(io.BytesIO(sound.roll_mp3(roll, bpm=240)))
    assert (info.format, info.samplerate) == ("MP3", 24_000)
    with pytest.raises(UserError, match="suffix"):
        sound.save_roll(tmp_path / "roll.txt", roll)
