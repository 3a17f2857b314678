"""Filter by a resonant low-pass with a moving cutoff, frame by frame in the frequency domain.

A recursive filter would take a Python loop over samples, and ``scipy.signal.lfilter`` has no moving coefficients.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_FRAME, _HOP, _FFT = 512, 256, 1024  # overlapping frames, zero-padded for the filter's ringing
_GRID = 50  # cents: cutoffs are quantized, which is inaudible and lets responses be cached
_LOWEST, _HIGHEST = 1500, 13500  # cents above 8.176 Hz: 20 Hz to 20 kHz


def lowpass(
    wave: NDArray[np.float32], cutoff: NDArray[np.float64], period: int, resonance: float, rate: int
) -> NDArray[np.float32]:
    """Filter a wave by a two-pole low-pass with a moving cutoff.

    Args:
        wave: samples ``(samples,)``.
        cutoff: cutoff in cents above 8.176 Hz, one value per ``period`` samples; quantized to 50 cents, and to 6 ms at
            44.1 kHz.
        period: samples per value of ``cutoff``.
        resonance: height of the peak in dB above the level at 0 Hz (SoundFont 2.04, initialFilterQ).
        rate: sampling rate in Hz.

    Returns:
        The filtered wave, float32 ``(samples,)``.

    """
    count = len(wave)
    frames = -(-count // _HOP) + 1
    padded = np.zeros((frames + 1) * _HOP, np.float32)
    padded[_HOP : _HOP + count] = wave
    windows = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    # The cutoff of a frame is the one at its middle.
    middle = np.minimum(np.arange(frames) * _HOP // period, len(cutoff) - 1)
    steps = (np.clip(cutoff[middle], _LOWEST, _HIGHEST) // _GRID).astype(int)
    fade = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(_FRAME) + 0.5) / _FRAME)).astype(np.float32)
    out = np.zeros((frames + _FFT // _HOP) * _HOP, np.float32)
    rows = out.reshape(-1, _HOP)
    for begin in range(0, frames, 256):
        part = slice(begin, begin + 256)
        spectrum = np.fft.rfft(windows[part] * fade, _FFT)
        for step in np.unique(steps[part]):
            spectrum[steps[part] == step] *= _response(int(step), round(resonance, 1), rate)
        pieces = np.fft.irfft(spectrum, _FFT).reshape(len(spectrum), -1, _HOP)
        for shift in range(_FFT // _HOP):
            rows[begin + shift : begin + shift + len(pieces)] += pieces[:, shift]
    return out[_HOP : _HOP + count]


@lru_cache(maxsize=512)
def _response(step: int, resonance: float, rate: int) -> NDArray[np.complex64]:
    """Return the filter's response at the frequencies of the FFT.

    The gain is lowered by half the resonance in dB (SoundFont 2.04, section 8.1.3, initialFilterQ).
    """
    frequency = min(8.176 * 2 ** ((step + 0.5) * _GRID / 1200), 0.45 * rate)
    q = 10 ** ((resonance - 3.01) / 20)  # -3 dB at the cutoff without resonance
    # Bilinear transform of 1 / (s^2 + s / Q + 1): Robert Bristow-Johnson's Audio EQ Cookbook, low-pass.
    angle = 2 * np.pi * frequency / rate
    alpha, cosine = np.sin(angle) / (2 * q), np.cos(angle)
    z = np.exp(-2j * np.pi * np.arange(_FFT // 2 + 1) / _FFT)
    numerator = (1 - cosine) / 2 * (1 + z) ** 2 / 10 ** (resonance / 40)
    response = numerator / ((1 + alpha) - 2 * cosine * z + (1 - alpha) * z**2)
    return np.asarray(response, np.complex64)
