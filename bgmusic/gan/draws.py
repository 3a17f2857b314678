"""Draw random numbers by seed and number of a sample.

Each sample has its own random numbers. They depend neither on how many samples are drawn, nor on the batch or process
that a sample is drawn in, so sample 7 of a seed is the same with and without its neighbours.

Source: Philox, a counter-based generator: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError

MAX_NUMBER = 1 << 40
"""Samples of a seed have numbers below this."""

_NOISE, _THRESHOLDS = 0, 1  # the second half of the key
_PER_BLOCK = 8  # numbers of 32 bits in a block of Philox


@dataclass(frozen=True)
class Draws:
    """Random numbers of consecutive samples.

    Attributes:
        seed: 0 to 2^64 - 1.
        first: number of the first sample, from 0.
        count: number of samples.
        part: 0, or for further independent numbers of the same samples 1, 2, ...: a long piece takes some for each
            of its phrases.

    """

    seed: int
    first: int
    count: int
    part: int = 0

    def at(self, part: int) -> Draws:
        """Return the draws of another part of the same samples."""
        return replace(self, part=part)

    def noise(self, latent: int) -> Tensor:
        """Return float32 ``(count, latent)`` from N(0, 1), on the CPU."""
        uniform = torch.from_numpy((self._bits(_NOISE, latent) + 0.5) * 2.0**-32)
        noise: Tensor = torch.special.ndtri(uniform).float()
        return noise

    def thresholds(self, shape: Sequence[int]) -> Tensor:
        """Return float32 ``(count, *shape)`` from U[0, 1), multiples of 2^-24, on the CPU."""
        bits = self._bits(_THRESHOLDS, math.prod(shape)) >> np.uint32(8)
        return torch.from_numpy(bits.astype(np.float32) * np.float32(2.0**-24)).view(-1, *shape)

    def _bits(self, stream: int, size: int) -> NDArray[np.uint32]:
        """Return ``(count, size)`` numbers of 32 random bits."""
        blocks = -(-size // _PER_BLOCK)
        key = np.array([self.seed, stream], dtype=np.uint64)
        counter = np.array([self.first * blocks, self.part, 0, 0], dtype=np.uint64)
        raw = np.random.Philox(key=key, counter=counter).random_raw(self.count * blocks * _PER_BLOCK // 2)
        return raw.astype("<u8", copy=False).view("<u4").reshape(self.count, -1)[:, :size]


def batches(seed: int, first: int, count: int, size: int, least: int | None = None) -> Iterator[tuple[Draws, slice]]:
    """Divide the samples ``first`` to ``first + count - 1`` into batches.

    All batches have ``size`` samples and start at a multiple of it, so each sample always has the same place in a
    batch of the same size: on some processors the last bits of a sum depend on both. If ``least`` samples are enough
    for the same bits, a batch holds the wanted samples alone, or as many.

    Returns:
        The draws of each batch, and the slice of the samples that are wanted.

    Raises:
        UserError: there are no samples, or the seed or their numbers are out of range.

    """
    if not 0 <= seed < 1 << 64:
        raise UserError(f"a seed is a whole number from 0 to 2^64 - 1, not {seed}")
    if count < 1:
        raise UserError(f"the number of samples is 1 or more, not {count}")
    if not 0 <= first <= MAX_NUMBER - count:
        raise UserError(f"samples have numbers from 0 to {MAX_NUMBER - 1}, not {first} to {first + count - 1}")
    stop = first + count
    edges = [(max(start, first), min(start + size, stop)) for start in range(first - first % size, stop, size)]
    if least is None:
        whole = ((begin - begin % size, begin, end) for begin, end in edges)
        return ((Draws(seed, start, size), slice(begin - start, end - start)) for start, begin, end in whole)
    return ((Draws(seed, begin, max(least, end - begin)), slice(0, end - begin)) for begin, end in edges)
