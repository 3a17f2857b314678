"""Check the types, dtypes and shapes of arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError

# `onset` and `duration` are in steps; `track` is an index into the track set.
STEP_NOTE = np.dtype(
    [
        ("track", np.uint8),
        ("onset", np.int64),
        ("duration", np.int64),
        ("pitch", np.uint8),
    ]
)
MAX_RESOLUTION = 480


def kind_of(value: object) -> str:
    """Describe a value in an error message: ``float32 array of shape (2, 3)``, ``list``."""
    return f"{value.dtype} array of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def require_boolean(name: str, value: Any) -> None:
    """Check that a value is a boolean array.

    Raises:
        TypeError: it is something else; the message calls it ``name``.

    """
    if not isinstance(value, np.ndarray) or value.dtype != np.bool_:
        raise TypeError(f"{name} must be a boolean NumPy array, not {kind_of(value)}")


def require_notes(notes: Any) -> None:
    """Check that a value is a one-dimensional array of dtype ``STEP_NOTE``.

    Raises:
        TypeError: it is something else.

    """
    if not isinstance(notes, np.ndarray) or notes.dtype != STEP_NOTE or notes.ndim != 1:
        raise TypeError(f"notes must be a 1-D array of dtype STEP_NOTE, not {kind_of(notes)}")


def require_resolution(resolution: Any) -> None:
    """Check that a resolution is a number of steps per beat that the grid supports.

    Raises:
        TypeError: it is not an integer.
        UserError: it is out of range.

    """
    if not _is_integer(resolution):
        raise TypeError(f"resolution must be an integer number of steps per beat, not {resolution!r}")
    if not 1 <= resolution <= MAX_RESOLUTION:
        raise UserError(f"resolution {resolution} is not within 1 to {MAX_RESOLUTION} steps per beat")


def require_metre(metre: Any) -> None:
    """Check that a time signature is a pair of positive integers.

    Raises:
        TypeError: it is not a pair of integers.
        UserError: a number is not positive.

    """
    if not isinstance(metre, tuple) or len(metre) != 2 or not all(_is_integer(number) for number in metre):
        raise TypeError(f"metre must be a pair of integers such as (4, 4), not {metre!r}")
    if min(metre) < 1:
        raise UserError(f"metre {metre[0]}/{metre[1]}: both numbers must be positive")


def require_integer(name: str, value: Any) -> None:
    """Check that a value is an integer, and no boolean.

    Raises:
        TypeError: it is something else; the message calls it ``name``.

    """
    if not _is_integer(value):
        raise TypeError(f"{name} must be an integer, not {value!r:.60}")


def require_integers(name: str, values: Any) -> NDArray[np.int64]:
    """Return a 1-D integer array as int64.

    Raises:
        TypeError: it is something else; the message calls it ``name``.

    """
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu" or values.ndim != 1:
        raise TypeError(f"{name} must be a 1-D integer array, not {kind_of(values)}")
    return values.astype(np.int64, copy=False)


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
