"""Add the reverberation of a small room: convolution with decaying noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.sound.checks import Audio, check_audio, check_rate

DEFAULT_REVERB = 0.15  # amplitude of the reverberation relative to the dry sound
_SECONDS = 1.2  # decay time to -60 dB
_FIRST = 0.012  # seconds before the first reflection
_LOW_PASS = 4500.0  # Hz: walls absorb high frequencies
_HIGH_PASS = 200.0  # Hz: low reverberation would blur the bass
_BLOCK = 1 << 16


def add_reverb(audio: Audio, rate: int, amount: float = DEFAULT_REVERB) -> Audio:
    """Add reverberation to stereo audio ``(samples, 2)`` in place, and return it; its length stays the same.

    ``amount`` is the amplitude of the reverberation, 0 (none) to 1.

    Raises:
        UserError: the audio is not floating-point ``(samples, 2)``, or the rate or the amount is out of range.

    """
    check_rate(rate)
    if audio.ndim != 2 or audio.shape[1] != 2:
        raise UserError(f"reverb needs stereo audio (samples, 2), not {audio.shape}")
    check_audio(audio)
    if not 0 <= amount <= 1:
        raise UserError(f"reverb must be from 0 to 1, not {amount}")
    if amount == 0:
        return audio
    size, response = _room(rate)
    rest = np.zeros((size - _BLOCK, 2), np.float32)
    for begin in range(0, len(audio), _BLOCK):
        block = audio[begin : begin + _BLOCK]
        echo = np.zeros((size, 2), np.float32)
        if block.any():
            middle = block.sum(axis=1) * np.float32(amount / np.sqrt(2))
            echo += np.fft.irfft(np.fft.rfft(middle, size)[:, None] * response, size, axis=0)
        echo[: len(rest)] += rest
        block += echo[: len(block)]
        rest = echo[_BLOCK:]
    return audio


@lru_cache(maxsize=2)
def _room(rate: int) -> tuple[int, NDArray[np.complex64]]:
    """Return the FFT size for a block with its reverberation, and the spectrum of the unit-energy impulse response."""
    count = round(_SECONDS * rate)
    size = 1 << (_BLOCK + count - 1).bit_length()
    time = np.arange(count) / rate
    # Independent noise in both channels sounds wide; the fixed seed gives the same room every time.
    noise = np.random.default_rng(1804_09399).standard_normal((count, 2)) * 10 ** (-3 * time / _SECONDS)[:, None]
    noise[time < _FIRST] = 0
    frequency = np.fft.rfftfreq(size, 1 / rate)[:, None]
    spectrum = np.fft.rfft(noise, size, axis=0) / (1 + 1j * frequency / _LOW_PASS)
    spectrum *= 1j * frequency / (_HIGH_PASS + 1j * frequency)
    energy = np.square(np.fft.irfft(spectrum, size, axis=0)).sum(axis=0)
    return size, np.asarray(spectrum / np.sqrt(energy), np.complex64)
