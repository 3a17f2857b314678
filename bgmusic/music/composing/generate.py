"""Generate phrases. The same seed gives the same phrases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bgmusic.gan.generate import Progress, sample
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork

_CELLS = 1 << 22  # cells in a batch: a generator needs some 300 bytes for each
_BATCH = 64  # phrases: larger batches are no faster, and progress shows less often


def phrases(
    generator: SampleNetwork,
    shape: RollShape,
    count: int,
    seed: int,
    binarize: str = "ht",
    progress: Progress | None = None,
) -> NDArray[np.bool_]:
    """Generate phrases.

    Args:
        generator: in evaluation mode.
        shape: shape of its rolls.
        count: number of phrases.
        seed: seed of the noise.
        binarize: ``ht`` (hard threshold) or ``bs`` (Bernoulli sampling), for a real-valued generator.
        progress: receives the number of phrases generated since the last call.

    Returns:
        Booleans ``(count, channels, bars, steps, pitches)``, channels as in :meth:`Roll.channels`.

    Raises:
        UserError: ``binarize`` is neither ``ht`` nor ``bs``.

    """
    return sample(generator, count, seed, binarize, batch_of(shape), progress).view(np.bool_)


def batch_of(shape: RollShape) -> int:
    """Return the number of phrases to generate at a time."""
    return max(1, min(_BATCH, _CELLS // shape.cells))


def to_rolls(channels: NDArray[np.bool_], shape: RollShape, bpm: float | None = None) -> list[Roll]:
    """Convert generated phrases ``(count, channels, bars, steps, pitches)`` to rolls.

    Args:
        channels: the phrases.
        shape: their shape.
        bpm: tempo in beats per minute; by default that of the shape, the median of the corpus.

    """
    bpm = bpm if bpm is not None else shape.bpm
    tempos = None if bpm is None else ((0, bpm),)
    return [
        Roll.from_channels(phrase, shape.track_set, shape.resolution, shape.encoding, shape.metre, tempos)
        for phrase in channels
    ]
