"""Generate phrases. The same seed and number give the same phrase."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bgmusic.gan.generate import Progress, check_binarize, device_of, sample
from bgmusic.music.composing.workers import in_parts
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork

_CELLS = 1 << 22  # cells in a batch: a generator needs some 300 bytes for each
_BATCH = 16  # phrases on a GPU


def phrases(
    generator: SampleNetwork,
    shape: RollShape,
    count: int,
    seed: int,
    binarize: str = "ht",
    progress: Progress | None = None,
    *,
    first: int = 0,
    jobs: int = 1,
) -> NDArray[np.bool_]:
    """Generate phrases. Each depends on the seed and its number alone, not on the other arguments.

    Args:
        generator: in evaluation mode.
        shape: shape of its rolls.
        count: number of phrases.
        seed: seed of the noise.
        binarize: ``ht`` (hard threshold) or ``bs`` (Bernoulli sampling), for a real-valued generator.
        progress: receives the number of phrases generated since the last call.
        first: number of the first phrase, from 0.
        jobs: number of processes.

    Returns:
        Booleans ``(count, channels, bars, steps, pitches)``, channels as in :meth:`Roll.channels`.

    Raises:
        UserError: ``binarize`` is neither ``ht`` nor ``bs``, or another argument is out of range.

    """
    check_binarize(binarize)
    task = partial(_phrases, shape=shape, seed=seed, binarize=binarize)
    return np.concatenate(in_parts(generator, task, first, count, batch_of(generator, shape), jobs, progress))


def _phrases(
    generator: SampleNetwork, first: int, count: int, progress: Progress, *, shape: RollShape, seed: int, binarize: str
) -> NDArray[np.bool_]:
    return sample(generator, count, seed, binarize, batch_of(generator, shape), progress, first).view(np.bool_)


def batch_of(generator: SampleNetwork, shape: RollShape) -> int:
    """Return the number of phrases to generate at a time.

    It is the same for any number of phrases (:func:`bgmusic.gan.draws.batches`).
    """
    if device_of(generator).type == "cpu":
        return generator.batch
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
