"""Draw digits: grids of samples and preactivated outputs, histograms of preactivated outputs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bgmusic.files import write_bytes


def grid(images: npt.NDArray[Any], columns: int, zoom: int = 2, gap: int = 2) -> npt.NDArray[np.uint8]:
    """Lay images out in rows of one picture.

    Args:
        images: ``(N, height, width)`` in [0, 1].
        columns: images in a row.
        zoom: factor by which images are enlarged.
        gap: grey pixels between images.

    Returns:
        uint8 ``(H, W)``, where 1 is white (255).

    Raises:
        ValueError: the images have another shape, or values outside [0, 1].

    """
    if images.ndim != 3:
        raise ValueError(f"images must have shape (N, height, width), not {images.shape}")
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"images must lie in [0, 1], not in [{images.min()}, {images.max()}]")
    rows = -(-len(images) // columns)
    height, width = images.shape[1] * zoom + gap, images.shape[2] * zoom + gap
    sheet = np.full((rows * height + gap, columns * width + gap), 64, np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * height + gap, number % columns * width + gap
        large = np.kron(np.clip(np.rint(image.astype(np.float32) * 255), 0, 255), np.ones((zoom, zoom)))
        sheet[top : top + height - gap, left : left + width - gap] = large
    return sheet


def save_grid(path: str | Path, images: npt.NDArray[Any], columns: int = 16) -> None:
    """Write a grid of images ``(N, height, width)`` in [0, 1] as PNG (atomic write). See :func:`grid`."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(grid(images, columns)).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def save_histograms(path: str | Path, preactivated: Mapping[str, npt.NDArray[Any]], bins: int = 50) -> None:
    """Write histograms of preactivated outputs by name as one PNG (BinaryGAN, figure 5).

    Shares of pixels are on a logarithmic axis, because most pixels of a digit are background.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, values in preactivated.items():
        counts, edges = np.histogram(values, bins=bins, range=(0, 1))
        axes.stairs(np.maximum(counts / values.size, 1e-7), edges, label=name, linewidth=1.5)
    axes.set(yscale="log", xlim=(0, 1), xlabel="preactivated output", ylabel="share of pixels")
    axes.axvline(0.5, color="0.7", linewidth=1, linestyle="--")
    axes.legend()
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    write_bytes(path, buffer.getvalue())
