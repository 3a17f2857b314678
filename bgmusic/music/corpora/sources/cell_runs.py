"""Find runs of consecutive cells in time: each run is one note."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def find_runs(time: NDArray[np.int64], *keys: NDArray[Any]) -> tuple[Indices, Indices]:
    """Return the indices of the first and of the last cell of every run.

    A run has consecutive times and equal values of each key (pitch, track, ...).

    Args:
        time: (n,), the times of the cells; cells are sorted by the keys, then by time.
        keys: arrays (n,).

    Raises:
        ValueError: the arrays differ in length.

    """
    if time.ndim != 1 or any(key.shape != time.shape for key in keys):
        raise ValueError(f"time and keys must have one shape (n,), not {time.shape}, {[key.shape for key in keys]}")
    if not len(time):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    joined = np.diff(time) == 1
    for key in keys:
        joined &= key[1:] == key[:-1]
    breaks = np.flatnonzero(~joined)
    return np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(time) - 1]])
