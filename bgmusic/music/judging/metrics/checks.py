"""Argument checks shared by the metrics: a wrong dtype or shape raises instead of giving a wrong number."""

from __future__ import annotations

import torch
from torch import Tensor

ROLLS = ("batch", "tracks", "bars", "steps", "pitches")
TRACK = ("batch", "bars", "steps", "pitches")


def require_boolean(value: object, name: str, axes: tuple[str, ...] = ROLLS) -> Tensor:
    """Return ``value`` if it is a boolean tensor with the given axes.

    Raises:
        TypeError: it is no tensor, or not boolean.
        ValueError: the number of dimensions differs from the number of axes, or the batch is empty.

    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a boolean torch.Tensor, not {type(value).__name__}")
    if value.dtype != torch.bool:
        raise TypeError(f"{name} must be boolean, not {value.dtype}: binarize it first, for example {name} > 0.5")
    if value.ndim != len(axes):
        raise ValueError(f"{name} must have shape ({', '.join(axes)}), not {tuple(value.shape)}")
    if axes[0] == "batch" and not len(value):
        raise ValueError(f"{name} must hold at least one phrase; the batch is empty")
    return value


def require_same_shape(shape: torch.Size, other: torch.Size, name: str, other_name: str) -> None:
    """Check that two arguments have one shape.

    Raises:
        ValueError: the shapes differ.

    """
    if shape != other:
        raise ValueError(f"{name} and {other_name} must have the same shape, not {tuple(shape)} and {tuple(other)}")


def require_drums(drums: object, tracks: int) -> Tensor:
    """Return ``drums`` if it is a boolean mask of the tracks.

    Raises:
        TypeError: it is no tensor, or not boolean.
        ValueError: its length is not the number of tracks.

    """
    mask = require_boolean(drums, "drums", ("tracks",))
    if len(mask) != tracks:
        raise ValueError(f"drums must have one entry for each of {tracks} tracks, not {len(mask)}")
    return mask


def require_integer(value: object, name: str, least: int | None = None) -> int:
    """Return ``value`` if it is an integer of at least ``least``.

    Raises:
        TypeError: it is no integer.
        ValueError: it is too small.

    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    number: int = value.__index__()
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return number
