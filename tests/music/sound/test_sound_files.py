"""Audio files: what is written is what is read back by other readers; whole or not at all."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bgmusic.errors import UserError
from bgmusic.music import sound

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
    if kind != "ogg":  # a stream of Ogg has a random number
        assert content == path.read_bytes()
    back, rate = soundfile.read(io.BytesIO(content))
    assert rate == RATE
    assert back.shape == audio.shape
    assert 10 * np.log10(np.mean((back - audio) ** 2) / np.mean(audio**2)) < (-80 if kind in ("wav", "flac") else -20)
    named = {"wav": sound.wav_bytes, "mp3": sound.mp3_bytes, "ogg": sound.ogg_bytes}
    assert kind not in named or len(named[kind](audio, RATE)) == len(content)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", sound.FORMATS)
def test_silence_and_nothing_are_files_too(kind: str) -> None:
    for count in (0, 1, RATE):
        back, _ = soundfile.read(io.BytesIO(sound.audio_bytes(np.zeros((count, 2), np.float32), RATE, kind)))
        assert not back.any()


def test_long_sounds_are_written_in_blocks(tmp_path: Path) -> None:
    """Libsndfile's Vorbis encoder overflows its stack on one long write."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (20 * RATE, 2)).astype(np.float32)
    sound.write_audio(tmp_path / "noise.ogg", noise, RATE)
    assert soundfile.info(tmp_path / "noise.ogg").frames == len(noise)


def test_what_is_out_of_range_is_clipped_not_wrapped() -> None:
    content = sound.wav_bytes(np.array([[2.0, -2.0]], np.float32), RATE)
    assert np.frombuffer(content[44:], "<i2").tolist() == [32767, -32767]


def test_mistakes_are_said_and_leave_no_file(tmp_path: Path) -> None:
    for name, message in (("music.aiff", "the suffix tells the format"), ("music", "the suffix tells the format")):
        with pytest.raises(UserError, match=message):
            sound.write_audio(tmp_path / name, music(), RATE)
    with pytest.raises(UserError, match="mp3 can't hold this sound at 96000 Hz"):
        sound.write_audio(tmp_path / "music.mp3", music(), 96_000)
    with pytest.raises(UserError, match="none of wav"):
        sound.audio_bytes(music(), RATE, "aiff")
    assert not list(tmp_path.iterdir())
