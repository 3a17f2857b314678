"""Packed bits as tensors: moved up and down in pitch while packed, and unpacked on their device."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_SHIFT = 7  # semitones: one byte of eight rows has to be enough to look into


def shift_rows(packed: Tensor, shifts: Tensor) -> Tensor:
    """Move each row of packed bits up by its number of places (down where negative), eight bits at a time.

    ``packed`` (rows, bytes) uint8 in the order of ``numpy.packbits``, which is changed and returned; ``shifts``
    (rows,) integers from -7 to 7. Cells are stored pitch by pitch, so moving bits by one place transposes a
    roll by a semitone, as long as no note leaves the pitch grid: a bit that does appears in the next step.
    """
    # Row by row a shift would be another number: one shift at a time runs in wide registers.
    for shift in shifts.unique().tolist():
        if shift:
            rows = (shifts == shift).nonzero().squeeze(1)
            packed.index_copy_(0, rows, _shifted(packed.index_select(0, rows), shift))
    return packed


def _shifted(packed: Tensor, shift: int) -> Tensor:
    """All rows moved by the same number of places, which is not 0."""
    # All rows as one, which runs in wide registers; then the byte at each row's edge on its own.
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
    """The first ``count`` bits of each row (rows, bytes) as booleans (rows, count), on the same device."""
    if packed.device.type == "cpu":
        import numpy as np

        # NumPy's is vectorised: twenty times as fast as the same in torch on a CPU.
        return torch.from_numpy(np.unpackbits(packed.numpy(), axis=-1, count=count).view(np.bool_))
    return _unpack_by_masks(packed, count)


def _unpack_by_masks(packed: Tensor, count: int) -> Tensor:
    """As ``unpack_rows``, in torch's operations alone: for every other device."""
    masks = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=packed.device)
    return (packed.unsqueeze(-1) & masks).ne(0).flatten(1)[:, :count]
