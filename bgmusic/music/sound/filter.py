"""A resonant low-pass whose cutoff moves, as frames in the frequency domain: a recursion in Python would crawl."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_FRAME, _HOP, _FFT = 512, 256, 1024  # frames fade into each other; as many zeros let the filter ring
_GRID = 50  # cents between the cutoffs that are told apart: an eighth of a tone is not heard
_LOWEST, _HIGHEST = 1500, 13500  # cents above 8.176 Hz: 20 Hz to 20 kHz


def lowpass(
    wave: NDArray[np.float32], cutoff: NDArray[np.float64], period: int, resonance: float, rate: int
) -> NDArray[np.float32]:
    """Filter a wave ``(samples,)`` by a low-pass of two poles, its ``cutoff`` in cents for every ``period`` samples.

    ``resonance`` is the peak's height in dB above the level at 0 Hz (SoundFont 2.04, initialFilterQ). The cutoff is
    followed in steps of 50 cents and 6 ms at 44.1 kHz.
    """
    count = len(wave)
    frames = -(-count // _HOP) + 1
    padded = np.zeros((frames + 1) * _HOP, np.float32)
    padded[_HOP : _HOP + count] = wave
    windows = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    # A frame's cutoff is that of its middle.
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
    """The response at the FFT's frequencies, the gain halved for half the resonance, as the specification wants it."""
    frequency = min(8.176 * 2 ** ((step + 0.5) * _GRID / 1200), 0.45 * rate)
    q = 10 ** ((resonance - 3.01) / 20)  # 3 dB down at the cutoff where there is no resonance
    # Robert Bristow-Johnson's cookbook: the bilinear transform of 1 / (s^2 + s / Q + 1).
    angle = 2 * np.pi * frequency / rate
    alpha, cosine = np.sin(angle) / (2 * q), np.cos(angle)
    z = np.exp(-2j * np.pi * np.arange(_FFT // 2 + 1) / _FFT)
    numerator = (1 - cosine) / 2 * (1 + z) ** 2 / 10 ** (resonance / 40)
    response = numerator / ((1 + alpha) - 2 * cosine * z + (1 - alpha) * z**2)
    return np.asarray(response, np.complex64)
