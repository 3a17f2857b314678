"""Metrics over a training, one panel each, with the data's value as a dashed line."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from bgmusic.files import write_bytes

Curve = tuple[Sequence[float], Sequence[float]]
"""Updates, and a value at each."""


def save_curves(
    path: Path, panels: Mapping[str, Mapping[str, Curve]], data: Mapping[str, float], columns: int = 3
) -> None:
    """Write curves over G updates as PNG, whole or not at all (BinaryMuseGAN, figures 9 and 11).

    ``panels`` are metrics, each with the curves of one training or several by their names; ``data`` has the value of
    the training data, where it is known.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(1, min(columns, len(panels)))
    lines = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(3.6 * columns, 2.6 * lines), layout="constrained")
    for number, (metric, curves) in enumerate(panels.items()):
        axes = figure.add_subplot(lines, columns, number + 1)
        for name, (steps, values) in curves.items():
            axes.plot(steps, values, label=_plain(name), linewidth=1.5)
        if metric in data:
            axes.axhline(data[metric], color="0.4", linestyle="--", linewidth=1, label="training data")
        axes.set_title(metric, fontsize=10, parse_math=False)
        axes.tick_params(labelsize=8)
        axes.set_xlabel("G updates", fontsize=8)
        if number == 0:
            axes.legend(fontsize=8)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    write_bytes(path, buffer.getvalue())


def _plain(name: str) -> str:
    """A label as it is: matplotlib takes dollars for mathematics, and leaves out what begins with an underscore."""
    return (" " if name.startswith("_") else "") + name.replace("$", r"\$")
