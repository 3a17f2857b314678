"""Binarized MNIST, embedded: all 70,000 digits as packed bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bgmusic.files import data_dir

SHAPE = (28, 28)


@dataclass(frozen=True)
class Digits:
    """One part of binarized MNIST; a pixel is 1 where its intensity was nonzero (BinaryGAN, section 4.1).

    Attributes:
        packed: uint8 ``(N, 98)``, each row ``numpy.packbits`` of the 784 pixels in row-major order.
        labels: uint8 ``(N,)``, 0 to 9.

    """

    packed: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]

    def images(self) -> npt.NDArray[np.uint8]:
        """The pixels: uint8 ``(N, 28, 28)``, zeros and ones."""
        return np.unpackbits(self.packed, axis=1).reshape(-1, *SHAPE)


def load_digits(part: str) -> Digits:
    """The embedded digits: ``"train"`` (60,000) or ``"test"`` (10,000).

    Raises:
        ValueError: there is no such part.

    """
    if part not in ("train", "test"):
        raise ValueError(f"binarized MNIST has the parts train and test, not {part!r}")
    with np.load(data_dir() / "mnist" / "mnist-binarized.npz", allow_pickle=False) as archive:
        return Digits(archive[part], archive[f"{part}_y"])
