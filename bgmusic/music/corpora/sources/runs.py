"""Notes from lit cells: a run of cells that follow each other in time is one note."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def find_runs(time: NDArray[np.int64], *keys: NDArray[Any]) -> tuple[Indices, Indices]:
    """Positions of the first and of the last cell of every run.

    Cells (n,) are sorted by the keys and then by time; a run has one value of each key (pitch, track, ...), and its
    times follow each other without a gap.
    """
    if not len(time):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    joined = np.diff(time) == 1
    for key in keys:
        joined &= key[1:] == key[:-1]
    breaks = np.flatnonzero(~joined)
    return np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(time) - 1]])
