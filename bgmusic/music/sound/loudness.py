"""Loudness as ITU-R BS.1770-4 measures it, and a level that never clips.

The rule: a piece is brought to ``LOUDNESS``, -18 LUFS over its whole length, and its peaks, those between the samples
too, are held below ``CEILING``, -1 dB of full scale. Silence stays silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

LOUDNESS = -18.0  # LUFS
CEILING = -1.0  # dB of full scale, between the samples too
_MOST_GAIN = 60.0  # dB: what is quieter than that is no music, and its noise shall not become any
_BLOCK = 1 << 16
_RING = 1 << 14  # samples after which the weighting's slow high-pass has died away, at 192 kHz too
_ATTACK = 0.003  # seconds: the limiter's smallest gain lasts so long before and after a peak
_FINER = 4  # places from one sample to the next where a peak is looked for
_MARGIN = 1 << 9  # samples around a block, within which an FFT takes its end for its beginning


def master(audio: Audio, rate: int, loudness: float | None = LOUDNESS) -> Audio:
    """Bring audio ``(samples, channels)`` to a loudness in LUFS, below the ceiling; changes and returns it.

    None leaves the level as it is, but for peaks. Limiting costs very uneven sounds some loudness: it is made up for
    once.
    """
    if loudness is not None:
        for _ in range(2):
            measured = integrated_loudness(audio, rate)
            if measured == -np.inf:
                return audio
            audio *= _factor(min(loudness - measured, _MOST_GAIN))
            if not limit(audio, rate):
                return audio
    limit(audio, rate)
    return audio


def integrated_loudness(audio: Audio, rate: int) -> float:
    """The integrated loudness of audio ``(samples, channels)`` in LUFS; minus infinity for silence.

    ITU-R BS.1770-4: K-weighting, blocks of 400 ms that overlap by three quarters, gates at -70 LUFS and 10 LU below
    the mean. Audio shorter than a block counts as one.
    """
    hop = round(rate / 10)
    tenths = np.zeros(-(-len(audio) // hop))  # energy of each tenth of a second
    for begin, block in _weighted(audio, rate):
        energy = np.square(block, dtype=np.float64).sum(axis=1)
        np.add.at(tenths, np.arange(begin, begin + len(energy)) // hop, energy)
    if len(tenths) < 4:
        blocks = np.array([tenths.sum() / max(len(audio), 1)])
    else:
        blocks = np.convolve(tenths, np.ones(4), "valid") / (4 * hop)
    blocks = blocks[blocks > 10 ** ((-70 + 0.691) / 10)]
    if not len(blocks):
        return -np.inf
    blocks = blocks[blocks > blocks.mean() / 10]
    return float(-0.691 + 10 * np.log10(blocks.mean()))


def _weighted(audio: Audio, rate: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """K-weighted audio block by block, with the place of each, by overlap and add."""
    size = _BLOCK + _RING
    response = _k_weighting(size, rate)[:, None]
    rest = np.zeros((_RING, audio.shape[1]))
    for begin in range(0, len(audio), _BLOCK):
        block = audio[begin : begin + _BLOCK]
        filtered = np.fft.irfft(np.fft.rfft(block, size, axis=0) * response, size, axis=0)
        filtered[:_RING] += rest
        rest = filtered[_BLOCK:]
        yield begin, filtered[: len(block)]


@lru_cache(maxsize=4)
def _k_weighting(size: int, rate: int) -> NDArray[np.complex128]:
    """The response of BS.1770's two filters at the frequencies of an FFT, for any rate.

    The recommendation gives coefficients for 48 kHz alone. They are those of a high shelf and a high-pass through the
    bilinear transform, whose parameters follow from them.
    """
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)

    def biquad(b: list[float], a: list[float]) -> NDArray[np.complex128]:
        return np.asarray((b[0] + b[1] * z + b[2] * z**2) / (a[0] + a[1] * z + a[2] * z**2))

    k = np.tan(np.pi * 1681.974450955533 / rate)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    shelf = biquad(
        [high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k],
        [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k],
    )
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    first = 1 + k / q + k * k
    return shelf * biquad([1, -2, 1], [1, 2 * (k * k - 1) / first, (1 - k / q + k * k) / first])


def limit(audio: Audio, rate: int, ceiling: float = CEILING) -> bool:
    """Hold the peaks of audio ``(samples, channels)`` below a ceiling in dB of full scale; whether it had to.

    The gain goes down before a peak and up after it, within milliseconds, and is the same in all channels.
    """
    hop = max(8, round(_ATTACK * rate / 4))
    peaks = _peaks(audio, hop)
    top = _factor(ceiling)
    if not len(peaks) or peaks.max() <= top:
        return False
    gain = np.minimum(1, top / np.maximum(peaks, top))
    # The smallest gain of nine neighbours, averaged over seven: never above what the middle one and those beside need.
    padded = np.pad(gain, 4, mode="edge")
    smallest = np.lib.stride_tricks.sliding_window_view(padded, 9).min(axis=1)
    shape = np.hanning(9)[1:-1]
    smooth = np.convolve(np.pad(smallest, 3, mode="edge"), shape / shape.sum(), "valid")
    middles = (np.arange(len(smooth)) + 0.5) * hop
    for begin in range(0, len(audio), _BLOCK):
        block = audio[begin : begin + _BLOCK]
        block *= np.interp(begin + np.arange(len(block)), middles, smooth).astype(np.float32)[:, None]
    return True


def _peaks(audio: Audio, hop: int) -> NDArray[np.float32]:
    """The highest level of all channels in every ``hop`` samples, between the samples too."""
    count = -(-len(audio) // hop)
    peaks = np.zeros(count * hop, np.float32)
    for begin in range(0, len(audio), _BLOCK):
        end = min(begin + _BLOCK, len(audio))
        level = np.abs(audio[begin:end]).max(axis=1)
        # Between samples a sound may rise above them, but hardly to twice as much.
        if level.max() > _factor(CEILING - 6):
            first = max(begin - _MARGIN, 0)
            block = audio[first : end + _MARGIN]
            fine = np.fft.irfft(np.fft.rfft(block, axis=0), _FINER * len(block), axis=0)
            fine = np.abs(fine).max(axis=1).reshape(-1, _FINER).max(axis=1)
            np.maximum(level, _FINER * fine[begin - first : end - first], out=level)
        peaks[begin:end] = level
    return np.asarray(peaks.reshape(count, hop).max(axis=1))


def _factor(decibels: float) -> float:
    return float(10 ** (decibels / 20))
