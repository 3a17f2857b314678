"""Check audio arrays and rates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError

Audio = NDArray[np.float32]
"""Samples ``(samples, channels)`` from -1 to 1."""

_MAX_CHANNELS = 8
_MAX_RATE = 384_000


def check_rate(rate: int) -> None:
    """Check a sampling rate in Hz.

    Raises:
        UserError: it is not an integer from 1 to 384,000.

    """
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or not 1 <= rate <= _MAX_RATE:
        raise UserError(f"rate must be an integer from 1 to {_MAX_RATE} (Hz), not {rate!r}")


def check_audio(audio: NDArray[Any]) -> Audio:
    """Check an array of samples, and return it as ``(samples, channels)``.

    Args:
        audio: floating-point ``(samples, channels)``, or ``(samples,)`` for one channel.

    Raises:
        UserError: it is not an array, not floating-point, of another shape, or has NaN or infinite samples.

    """
    if not isinstance(audio, np.ndarray):
        raise UserError(f"audio must be a NumPy array, not {type(audio).__name__}")
    if not np.issubdtype(audio.dtype, np.floating):
        raise UserError(f"audio must be floating-point from -1 to 1, not {audio.dtype}: divide integers by their range")
    shaped = audio[:, None] if audio.ndim == 1 else audio
    if shaped.ndim != 2 or not 1 <= shaped.shape[1] <= _MAX_CHANNELS:
        raise UserError(
            f"audio must be (samples, channels) of 1 to {_MAX_CHANNELS} channels, or (samples,), not {audio.shape}"
        )
    if not np.isfinite(shaped).all():
        raise UserError("audio has NaN or infinite samples")
    return shaped
