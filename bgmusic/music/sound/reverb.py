"""A small room: every sound's echo, as noise that dies away."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

DEFAULT_REVERB = 0.15  # the level of the echo beside the sound's own
_SECONDS = 1.2  # until it is 60 dB lower
_FIRST = 0.012  # seconds until the first echo
_DARKENS = 4500.0  # Hz: the walls swallow what is higher
_RUMBLE = 200.0  # Hz: and give nothing back of what is lower
_BLOCK = 1 << 16


def add_reverb(audio: Audio, rate: int, amount: float = DEFAULT_REVERB) -> Audio:
    """Add the room to stereo audio ``(samples, 2)``, whose length holds; changes and returns it."""
    if amount <= 0:
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
    """The size of an FFT that holds a block and its echo, and the echo's spectrum, of an energy of one."""
    count = round(_SECONDS * rate)
    size = 1 << (_BLOCK + count - 1).bit_length()
    time = np.arange(count) / rate
    # Two channels of noise that know nothing of each other: the room is wide. The seed makes it the same room always.
    noise = np.random.default_rng(1804_09399).standard_normal((count, 2)) * 10 ** (-3 * time / _SECONDS)[:, None]
    noise[time < _FIRST] = 0
    frequency = np.fft.rfftfreq(size, 1 / rate)[:, None]
    spectrum = np.fft.rfft(noise, size, axis=0) / (1 + 1j * frequency / _DARKENS)
    spectrum *= 1j * frequency / (_RUMBLE + 1j * frequency)
    energy = np.square(np.fft.irfft(spectrum, size, axis=0)).sum(axis=0)
    return size, np.asarray(spectrum / np.sqrt(energy), np.complex64)
