"""Gather rows of packed bits from the shards of a corpus, which may be larger than memory.

Rows that are drawn at random lie in other pages of other shards each time. The system reads a page that is not in
memory when it is touched, one after the other, and with it much that follows: up to megabytes for each phrase. So all
pages of a batch are announced first (``madvise``): the disk gets all requests at once, and reads nothing else.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
_NEAR = 16  # pages: reading so many in between takes less time than another request


class Shards:
    """The rows of several arrays as one array ``(rows, bytes)``.

    Args:
        arrays: uint8 ``(rows, ..., bytes)`` of equal shape but for the number of rows, mapped into memory or not.

    """

    def __init__(self, arrays: Sequence[Bytes]) -> None:
        # A view as ndarray: every operation of np.memmap pays for its subclass.
        self._arrays = [array.view(np.ndarray).reshape(-1, array.shape[-1]) for array in arrays]
        # The pages of one shard are soon in memory, and stay there.
        self._files = [_mapped(array) for array in arrays] if len(arrays) > 1 else [None]
        self._edges = np.array([0, *accumulate(len(array) for array in self._arrays)])

    def __len__(self) -> int:
        return int(self._edges[-1])

    def take(self, rows: NDArray[np.int64]) -> Bytes:
        """Return rows by their numbers, in their order: uint8 ``(n, bytes)``.

        Raises:
            IndexError: a number is not within 0 to ``len(self) - 1``.

        """
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(self)):
            raise IndexError(f"rows must be within 0 to {len(self) - 1}")
        if len(self._arrays) == 1:
            return self._arrays[0].take(rows, axis=0)
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        cuts = list(pairwise(np.searchsorted(ascending, self._edges).tolist()))
        wanted = [
            (number, order[a:b], ascending[a:b] - self._edges[number]) for number, (a, b) in enumerate(cuts) if b > a
        ]
        for number, _, inside in wanted:
            _announce(self._files[number], self._arrays[number], inside)
        found = np.empty((len(rows), self._arrays[0].shape[1]), np.uint8)
        for number, places, inside in wanted:
            found[places] = self._arrays[number].take(inside, axis=0)
        return found


def _mapped(array: Bytes) -> mmap.mmap | None:
    """Return the mapping of an array of ``read_rows``, None if it is not mapped or this system takes no advice."""
    base: object = array.base
    return base if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_WILLNEED") else None


def _announce(file: mmap.mmap | None, array: Bytes, rows: NDArray[np.int64]) -> None:
    """Let the system read the pages of some rows (ascending) of a mapped array."""
    if file is None:
        return
    width = array.shape[1]
    begin = len(file) - array.size  # the header of the file
    first = (begin + rows * width) // mmap.PAGESIZE
    last = (begin + rows * width + width - 1) // mmap.PAGESIZE
    gaps = np.flatnonzero(first[1:] - last[:-1] > _NEAR)
    starts, stops = first[[0, *(gaps + 1)]], last[[*gaps, -1]] + 1
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        file.madvise(
            mmap.MADV_WILLNEED,
            start * mmap.PAGESIZE,
            min((stop - start) * mmap.PAGESIZE, len(file) - start * mmap.PAGESIZE),
        )
