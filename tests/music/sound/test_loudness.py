"""Loudness against the signals of EBU Tech 3341 and pyloudnorm; peaks against oversampling."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from songs import true_peak

from bgmusic.errors import UserError
from bgmusic.music.sound.loudness import integrated_loudness, limit, master


def tone(*parts: tuple[float, float], frequency: float = 1000.0, rate: int = 48_000) -> np.ndarray:
    """Return a stereo sine of parts (dBFS, seconds)."""
    levels = np.concatenate([np.full(round(seconds * rate), 10 ** (db / 20)) for db, seconds in parts])
    wave = levels * np.sin(2 * np.pi * frequency * np.arange(len(levels)) / rate)
    return np.stack([wave, wave], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("rate", "parts", "lufs"),
    [
        (44_100, [(-23, 20)], -23.0),  # EBU Tech 3341, test case 1
        (96_000, [(-33, 20)], -33.0),  # 2
        (22_050, [(-36, 10), (-23, 60), (-36, 10)], -23.0),  # 3
        (22_050, [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23.0),  # 4
        (48_000, [(-26, 20), (-20, 20.1), (-26, 20)], -23.0),  # 5
    ],
    ids=str,
)
def test_the_signals_of_ebu_tech_3341(rate: int, parts: list[tuple[float, float]], lufs: float) -> None:
    assert integrated_loudness(tone(*parts, rate=rate), rate) == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_meter_agrees_with_pyloudnorm(rate: int, channels: int) -> None:
    """Noise whose level and colour change, longer than a block of the filter; "DeMan" has BS.1770's exact filters."""
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 1, (9 * rate, channels))
    audio = 0.1 * steps + 0.02 * np.cumsum(steps, axis=0) / np.sqrt(rate)
    audio *= 10 ** (-0.5 * np.repeat(np.arange(9) % 4, rate))[:, None]
    reference = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(audio)
    assert integrated_loudness(audio.astype(np.float32), rate) == pytest.approx(reference, abs=0.001)


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.05, 3.0])
def test_silence_has_no_loudness_and_stays_silence(seconds: float) -> None:
    audio = np.zeros((round(seconds * 44_100), 2), np.float32)
    assert integrated_loudness(audio, 44_100) == -np.inf
    assert not master(audio, 44_100).any()


def test_numerical_noise_is_not_amplified() -> None:
    audio = np.full((44_100, 2), 1e-7, np.float32)
    audio[::2] *= -1
    assert np.abs(master(audio, 44_100)).max() < 1e-3


@pytest.mark.parametrize("kind", ["noise", "clicks", "between", "steps"])
def test_peaks_are_held_below_the_ceiling(kind: str) -> None:
    rng = np.random.default_rng(1)
    if kind == "noise":
        audio = rng.normal(0, 0.8, (100_000, 2))
    elif kind == "clicks":
        audio = rng.normal(0, 0.001, (100_000, 2)) + 5 * (rng.random((100_000, 1)) < 0.0005)
    elif kind == "between":  # a sine with all samples off its peaks
        audio = 1.4 * np.sin(np.pi / 2 * np.arange(100_000)[:, None] + np.pi / 4 + np.zeros(2))
    else:
        audio = np.repeat(rng.uniform(-3, 3, (100, 2)), 1000, axis=0)
    audio = audio.astype(np.float32)
    before = audio.copy()
    assert limit(audio, 44_100)
    assert true_peak(audio) < -0.5
    assert np.abs(audio).max() <= 10 ** (-1 / 20) + 1e-6
    # Both channels have one gain, at most 1.
    audible = np.abs(before) > 1e-3
    gain = np.where(audible, audio / np.where(audible, before, 1), np.nan)
    assert np.nanmax(gain) <= 1 + 1e-5
    both = audible.all(axis=1)
    np.testing.assert_allclose(gain[both, 0], gain[both, 1], rtol=1e-3)


def test_audio_below_the_ceiling_is_unchanged() -> None:
    audio = tone((-3, 1.0))
    kept = audio.copy()
    assert not limit(audio, 48_000)
    np.testing.assert_array_equal(audio, kept)


@pytest.mark.parametrize("level", [-50.0, -20.0, 0.0])
def test_every_level_is_normalized_to_the_same_loudness(level: float) -> None:
    audio = master(tone((level, 3.0)), 48_000)
    assert integrated_loudness(audio, 48_000) == pytest.approx(-18, abs=0.05)


@pytest.mark.parametrize(
    "wrong", [np.zeros(9, np.float32), np.zeros((9, 2), np.int16), np.full((9, 2), np.inf, np.float32)], ids=str
)
def test_audio_of_another_dtype_or_shape_is_refused(wrong: np.ndarray) -> None:
    for function in (integrated_loudness, limit, master):
        with pytest.raises(UserError, match="audio"):
            function(wrong, 44_100)
