"""Plot metrics during training, one panel per metric."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from bgmusic.errors import UserError
from bgmusic.files import write_bytes

Curve = tuple[Sequence[float], Sequence[float]]
"""Steps (G updates), and the value at each."""


def save_curves(
    path: str | Path, panels: Mapping[str, Mapping[str, Curve]], data: Mapping[str, float], columns: int = 3
) -> None:
    """Plot metrics over G updates and write the figure as PNG (atomic write), as in BinaryMuseGAN, figures 9 and 11.

    Args:
        path: PNG file.
        panels: for each metric, the curves of one or more trainings by name.
        data: values of the training data, drawn as dashed lines, for the metrics where they are known.
        columns: panels per line.

    Raises:
        UserError: no panels, ``columns`` below 1, or a curve with different numbers of steps and values.
        OSError: the file cannot be written.

    """
    if not panels or columns < 1:
        raise UserError(f"curves need at least one panel and one column, not {len(panels)} and {columns}")
    for metric, curves in panels.items():
        for name, (steps, values) in curves.items():
            if len(steps) != len(values):
                raise UserError(f"curve {name!r} of {metric!r} has {len(steps)} steps, but {len(values)} values")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(columns, len(panels))
    lines = -(-len(panels) // columns)
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
    """Escape a label: matplotlib reads dollars as mathematics, and hides labels that begin with an underscore."""
    return (" " if name.startswith("_") else "") + name.replace("$", r"\$")
