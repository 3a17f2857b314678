"""Loudness against the signals of EBU Tech 3341 and the coefficients of ITU-R BS.1770; peaks against oversampling."""

from __future__ import annotations

import numpy as np
import pytest
from songs import true_peak

from bgmusic.music.sound.loudness import _k_weighting, integrated_loudness, limit, master


def tone(*parts: tuple[float, float], frequency: float = 1000.0, rate: int = 48_000) -> np.ndarray:
    """A stereo sine of parts (dB of full scale, seconds)."""
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


def test_the_weighting_is_that_of_the_recommendation_at_48_khz() -> None:
    """ITU-R BS.1770-4, tables 1 and 2."""
    z = np.exp(-2j * np.pi * np.arange(513) / 1024)

    def biquad(b: list[float], a: list[float]) -> np.ndarray:
        return np.polyval(b[::-1], z) / np.polyval([*a[::-1], 1], z)

    shelf = biquad([1.53512485958697, -2.69169618940638, 1.19839281085285], [-1.69065929318241, 0.73248077421585])
    high_pass = biquad([1.0, -2.0, 1.0], [-1.99004745483398, 0.99007225036621])
    np.testing.assert_allclose(_k_weighting(1024, 48_000), shelf * high_pass, atol=1e-6)


def test_blocks_make_no_difference() -> None:
    """Audio longer than a block of the filter is weighted as a recursion would do it."""
    rng = np.random.default_rng(0)
    audio = rng.normal(0, 0.1, (150_000, 2)).astype(np.float32)
    whole = np.fft.irfft(
        np.fft.rfft(audio.astype(np.float64), 1 << 19, axis=0) * _k_weighting(1 << 19, 48_000)[:, None], 1 << 19, axis=0
    )
    power = np.square(whole[:150_000]).sum() / 150_000  # noise: no block falls below a gate
    assert integrated_loudness(audio, 48_000) == pytest.approx(-0.691 + 10 * np.log10(power), abs=0.05)


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.05, 3.0])
def test_silence_has_no_loudness_and_stays_silence(seconds: float) -> None:
    audio = np.zeros((round(seconds * 44_100), 2), np.float32)
    assert integrated_loudness(audio, 44_100) == -np.inf
    assert not master(audio, 44_100).any()


def test_what_is_quieter_than_any_music_is_not_blown_up() -> None:
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
    elif kind == "between":  # a sine whose samples all miss its peaks
        audio = 1.4 * np.sin(np.pi / 2 * np.arange(100_000)[:, None] + np.pi / 4 + np.zeros(2))
    else:
        audio = np.repeat(rng.uniform(-3, 3, (100, 2)), 1000, axis=0)
    audio = audio.astype(np.float32)
    before = audio.copy()
    assert limit(audio, 44_100)
    assert true_peak(audio) < -0.5
    assert np.abs(audio).max() <= 10 ** (-1 / 20) + 1e-6
    # The gain is one number for both channels, and never above one.
    quiet = np.abs(before) > 1e-3
    gain = np.where(quiet, audio / np.where(quiet, before, 1), np.nan)
    assert np.nanmax(gain) <= 1 + 1e-5
    both = quiet.all(axis=1)
    np.testing.assert_allclose(gain[both, 0], gain[both, 1], rtol=1e-3)


def test_what_fits_is_left_alone() -> None:
    audio = tone((-3, 1.0))
    kept = audio.copy()
    assert not limit(audio, 48_000)
    np.testing.assert_array_equal(audio, kept)


@pytest.mark.parametrize("level", [-50.0, -20.0, 0.0])
def test_every_level_comes_to_the_same_loudness(level: float) -> None:
    audio = master(tone((level, 3.0)), 48_000)
    assert integrated_loudness(audio, 48_000) == pytest.approx(-18, abs=0.05)
