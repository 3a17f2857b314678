"""Load binarized MNIST: all 70,000 digits, embedded as packed bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bgmusic.files import data_dir

SHAPE = (28, 28)


@dataclass(frozen=True)
class Digits:
    """One part of binarized MNIST. A pixel is 1 if its intensity was nonzero (BinaryGAN, section 4.1).

    Attributes:
        packed: uint8 ``(N, 98)``, ``numpy.packbits`` of the 784 pixels in row-major order.
        labels: uint8 ``(N,)``, 0 to 9.

    """

    packed: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]

    def images(self) -> npt.NDArray[np.uint8]:
        """Return the pixels: uint8 ``(N, 28, 28)``, zeros and ones."""
        return np.unpackbits(self.packed, axis=1).reshape(-1, *SHAPE)


def load_digits(part: str) -> Digits:
    """Load the embedded digits: ``"train"`` (60,000) or ``"test"`` (10,000).

    Raises:
        ValueError: the part is neither.

    """
    if part not in ("train", "test"):
        raise ValueError(f"binarized MNIST has the parts train and test, not {part!r}")
    with np.load(data_dir() / "mnist" / "mnist-binarized.npz", allow_pickle=False) as archive:
        return Digits(archive[part], archive[f"{part}_y"])


def require_images(images: npt.NDArray[Any], name: str = "images") -> None:
    """Check that images are unsigned integers or booleans ``(N, 28, 28)`` of zeros and ones, N at least 1.

    Raises:
        TypeError: they have another dtype.
        ValueError: they have another shape, or other values.

    """
    if images.dtype.kind not in "bu":
        raise TypeError(f"{name} must be uint8, not {images.dtype}")
    if images.ndim != 3 or images.shape[1:] != SHAPE or not len(images):
        raise ValueError(f"{name} must have shape (N, 28, 28), not {images.shape}")
    if images.max() > 1:
        raise ValueError(f"{name} must be zeros and ones, but one is {images.max()}")
