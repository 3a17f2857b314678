"""Operations on packed bits in tensors: transpose rows while packed, and unpack them on their device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

MAX_SHIFT = 7  # semitones: fewer than the eight bits of a byte, so a shift reaches only the neighbouring byte


def shift_rows(packed: Tensor, shifts: Tensor) -> Tensor:
    """Shift each row of packed bits, in place, by its own number of places.

    Cells are stored pitch by pitch, so a shift by one place transposes a roll by a semitone, as long as every note
    stays on the pitch grid: a bit that leaves it appears in the next step.

    Args:
        packed: uint8 (rows, bytes) in the bit order of ``numpy.packbits``.
        shifts: integers (rows,) from -7 to 7; positive numbers shift up.

    Returns:
        ``packed``.

    Raises:
        TypeError: an argument has another dtype or shape.
        ValueError: a shift is out of range.

    """
    _check(packed)
    if shifts.shape != packed.shape[:1] or shifts.is_floating_point() or shifts.dtype == torch.bool:
        raise TypeError(f"shifts must be integers ({len(packed)},), not {shifts.dtype} {tuple(shifts.shape)}")
    # All rows with the same shift at once: this vectorizes, unlike a shift per row.
    distances = shifts.unique().tolist()
    if distances and not -MAX_SHIFT <= distances[0] <= distances[-1] <= MAX_SHIFT:
        raise ValueError(f"shifts must be within {-MAX_SHIFT} to {MAX_SHIFT}, not {distances[0]} to {distances[-1]}")
    for shift in distances:
        if shift:
            rows = (shifts == shift).nonzero().squeeze(1)
            packed.index_copy_(0, rows, _shifted(packed.index_select(0, rows), shift))
    return packed


def _shifted(packed: Tensor, shift: int) -> Tensor:
    """Shift all rows by the same number of places, which is not 0."""
    # Shift the whole array as one row, which vectorizes; then repair the byte at the edge of each row.
    if shift > 0:
        moved = packed >> shift
        moved.view(-1)[1:] |= packed.view(-1)[:-1] << (8 - shift)
        moved[:, 0] = packed[:, 0] >> shift
    else:
        moved = packed << -shift
        moved.view(-1)[:-1] |= packed.view(-1)[1:] >> (8 + shift)
        moved[:, -1] = packed[:, -1] << -shift
    return moved


def unpack_rows(packed: Tensor, count: int) -> Tensor:
    """Unpack the first ``count`` bits of each row of uint8 (rows, bytes) to booleans (rows, count), on its device.

    Raises:
        TypeError: ``packed`` has another dtype or shape.
        ValueError: its rows have fewer than ``count`` bits.

    """
    _check(packed)
    if not 0 <= count <= 8 * packed.shape[1]:
        raise ValueError(f"rows of {packed.shape[1]} bytes don't have {count} bits")
    if packed.device.type == "cpu":
        # NumPy's implementation is vectorized: on a CPU twenty times as fast as the masks.
        return torch.from_numpy(np.unpackbits(packed.numpy(), axis=-1, count=count).view(np.bool_))
    return _unpack_by_masks(packed, count)


def _unpack_by_masks(packed: Tensor, count: int) -> Tensor:
    """Do the work of ``unpack_rows`` on any device, by torch operations alone."""
    masks = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=packed.device)
    return (packed.unsqueeze(-1) & masks).ne(0).flatten(1)[:, :count]


def _check(packed: Tensor) -> None:
    if packed.dtype != torch.uint8 or packed.ndim != 2:
        raise TypeError(f"packed bits must be uint8 (rows, bytes), not {packed.dtype} {tuple(packed.shape)}")
