"""Keep data as packed bits and unpack one batch at a time, on the device."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def unpack(packed: Tensor, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """Unpack rows of bits, first bit highest (``numpy.packbits``).

    Args:
        packed: uint8, ``(batch, bytes)``.
        shape: shape of an unpacked row; remaining bits are padding.
        dtype: dtype of the zeros and ones.

    Returns:
        ``(batch, *shape)`` on the device of ``packed``.

    Raises:
        ValueError: ``packed`` is not uint8 ``(batch, bytes)`` with enough bits.

    """
    if packed.dtype != torch.uint8 or packed.dim() != 2 or packed.shape[1] * 8 < math.prod(shape):
        raise ValueError(f"packed bits of shape {tuple(packed.shape)}, {packed.dtype} don't unpack to rows of {shape}")
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
    bits = (packed.unsqueeze(-1) >> shifts) & 1
    return bits.flatten(1)[:, : math.prod(shape)].to(dtype).view(-1, *shape)


class BitSource:
    """Serve random batches of zeros and ones from rows of packed bits.

    Args:
        packed: uint8, ``(rows, bytes)``, each row as ``numpy.packbits`` makes it.
        shape: shape of an unpacked row.
        device: device of the batches.

    Raises:
        ValueError: there are no rows, or a row has too few bits for the shape.

    """

    def __init__(self, packed: npt.NDArray[np.uint8], shape: tuple[int, ...], device: str | torch.device = "cpu"):
        if packed.ndim != 2 or packed.dtype != np.uint8 or not len(packed) or packed.shape[1] * 8 < math.prod(shape):
            raise ValueError(f"rows of {packed.shape} {packed.dtype} are not {shape} packed bits")
        self.packed = torch.from_numpy(packed).to(device)
        self.shape = shape

    def __len__(self) -> int:
        return len(self.packed)

    def batch(self, size: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``size`` rows with replacement: ``(size, *shape)``, float32 zeros and ones.

        Rows are drawn on the CPU, so a seed gives the same batches on every device.
        """
        rows = torch.randint(len(self.packed), (size,), generator=generator)
        return unpack(self.packed[rows.to(self.packed.device)], self.shape)
