"""Data stays bits: packed in memory, unpacked for the batch that needs them, on the device."""

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
        shape: what one row becomes; the row's last bits beyond it are padding.
        dtype: type of the zeros and ones.

    Returns:
        ``(batch, *shape)`` on the device of ``packed``.

    """
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
    bits = (packed.unsqueeze(-1) >> shifts) & 1
    return bits.flatten(1)[:, : math.prod(shape)].to(dtype).view(-1, *shape)


class BitSource:
    """Rows of packed bits on a device, served as random batches of zeros and ones.

    Args:
        packed: uint8, ``(rows, bytes)``, each row as ``numpy.packbits`` makes it.
        shape: what one row becomes.
        device: where batches are made.

    Raises:
        ValueError: there is no row, or a row has too few bits for the shape.

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

        The draws are made on the CPU, so a seed gives the same batches on every device.
        """
        rows = torch.randint(len(self.packed), (size,), generator=generator)
        return unpack(self.packed[rows.to(self.packed.device)], self.shape)
