"""Areas of a project, and boolean arrays as text."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence

import numpy as np

from bgmusic.errors import UserError
from bgmusic.studio.state import State, Units


def area(state: State, tracks: Sequence[int] | None, beats: tuple[int, int] | None) -> Units:
    """Mark some tracks (all by default) in some beats (all by default).

    Raises:
        UserError: there is no such track or beat.

    """
    count, length = state.locks.shape
    first, stop = beats if beats is not None else (0, length)
    if any(track >= count for track in tracks or ()):
        raise UserError(f"there is no track {max(tracks or ())}")
    if not 0 <= first < stop <= length:
        raise UserError(f"there are no beats {first} to {stop}")
    units = np.zeros_like(state.locks)
    units[list(range(count)) if tracks is None else list(tracks), first:stop] = True
    return units


def pack(units: Units) -> str:
    """Return a boolean array as text; :func:`unpack` is the inverse."""
    return base64.b64encode(np.packbits(units).tobytes()).decode("ascii")


def unpack(text: str, shape: tuple[int, ...]) -> Units:
    """Return a boolean array of a shape from text.

    Raises:
        UserError: it has another size.

    """
    size = math.prod(shape)
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (binascii.Error, ValueError):
        raise UserError("no edit: not base64") from None
    if len(packed) != -(-size // 8):
        raise UserError("the piece has another length now: compose again")
    return np.unpackbits(packed, count=size).astype(np.bool_).reshape(shape)
