"""Packed bits as tensors: moved up and down in pitch while packed, and unpacked on their device."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_SHIFT = 7  # semitones: one byte of eight rows has to be enough to look into


def shift_rows(packed: Tensor, shifts: Tensor) -> Tensor:
    """Move each row of packed bits up by its number of places (down where negative), eight bits at a time.

    ``packed`` (rows, bytes) uint8 in the order of ``numpy.packbits``; ``shifts`` (rows,) integers from -7 to 7.
    Cells are stored pitch by pitch, so moving bits by one place transposes a roll by a semitone, as long as
    no note leaves the pitch grid: a bit that does appears in the next step.
    """
    behind = torch.nn.functional.pad(packed[:, :-1], (1, 0))
    ahead = torch.nn.functional.pad(packed[:, 1:], (0, 1))
    up = shifts.clamp(min=0).to(torch.uint8).unsqueeze(1)
    down = (-shifts).clamp(min=0).to(torch.uint8).unsqueeze(1)
    # An 8-bit shift is none of C's: half of it is always done apart.
    raised = (packed >> up) | ((behind << 1) << (7 - up))
    lowered = (packed << down) | ((ahead >> 1) >> (7 - down))
    return torch.where(shifts.unsqueeze(1) >= 0, raised, lowered)


def unpack_rows(packed: Tensor, count: int) -> Tensor:
    """The first ``count`` bits of each row (rows, bytes) as booleans (rows, count), on the same device."""
    if packed.device.type == "cpu":
        import numpy as np

        # NumPy's is vectorised: twenty times as fast as the same in torch on a CPU.
        return torch.from_numpy(np.unpackbits(packed.numpy(), axis=-1, count=count).view(np.bool_))
    masks = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=packed.device)
    return (packed.unsqueeze(-1) & masks).ne(0).flatten(1)[:, :count]
