"""Charts of curves as inline SVG, in the page's colours (light or dark) and at any width."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bgmusic.training.logs import Curve, thinned

WIDTH, HEIGHT = 320, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 10, 22
_MAX_POINTS = 300
_LOGARITHMIC = 30  # ratio of the largest to the smallest value from which the axis is logarithmic

Ticks = tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Chart:
    """One curve with its axes, in pixels of a ``WIDTH`` x ``HEIGHT`` drawing.

    Attributes:
        title: what the curve shows.
        value: last value, formatted.
        summary: description of the chart for screen readers.
        points: points of an SVG polyline.
        end: the last point.
        reference: height of the dashed line, or None.
        x_ticks: positions and labels of the ticks.
        y_ticks: positions and labels of the ticks.

    """

    title: str
    value: str
    summary: str
    points: str
    end: tuple[float, float]
    reference: float | None
    x_ticks: Ticks
    y_ticks: Ticks


def chart(title: str, curve: Curve, reference: float | None = None, reference_name: str = "training data") -> Chart:
    """Make the chart of a curve, with a dashed line at ``reference``.

    The axis of values is logarithmic if all are positive and span more than a factor of 30.

    Raises:
        ValueError: the curve has no points.

    """
    if not len(curve[0]):
        raise ValueError(f"the curve {title!r} has no points")
    steps, values = thinned(curve, _MAX_POINTS)
    shown = values + ([reference] if reference is not None and math.isfinite(reference) else [])
    logarithmic = min(shown) > 0 and max(shown) / min(shown) >= _LOGARITHMIC
    heights = [math.log10(value) if logarithmic else value for value in shown]
    low, high = min(heights), max(heights)
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-290):  # a constant needs an axis too
        room = max(0.5, 0.5 * abs(high))
        low, high = low - room, high + room
    first, last = steps[0], max(steps[-1], steps[0] + 1)

    def x(step: float) -> float:
        return round(_LEFT + (step - first) / (last - first) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(height: float) -> float:
        return round(HEIGHT - _BOTTOM - (height - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    points = " ".join(f"{x(step)},{y(height)}" for step, height in zip(steps, heights, strict=False))
    summary = f"{title}: {_short(values[0])} at update {steps[0]:,.0f}, {_short(values[-1])} at {steps[-1]:,.0f}"
    drawn = len(shown) > len(values)
    if reference is not None and drawn:
        summary += f"; {reference_name}: {_short(reference)}"
    marks = _powers(low, high) if logarithmic else [(place, _label(place)) for place in _round_numbers(low, high, 4)]
    return Chart(
        title=title,
        value=_short(values[-1]),
        summary=summary,
        points=points,
        end=(x(steps[-1]), y(heights[len(values) - 1])),
        reference=y(heights[-1]) if drawn else None,
        x_ticks=tuple((x(step), f"{step:,.0f}") for step in _round_numbers(first, last, 3) if step == round(step)),
        y_ticks=tuple((y(place), label) for place, label in marks),
    )


def _round_numbers(low: float, high: float, about: int) -> list[float]:
    """Return about ``about`` round numbers from ``low`` to ``high``, at steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    return [
        round(place * step, 12) for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def _powers(low: float, high: float) -> list[tuple[float, str]]:
    """Return up to five powers of ten between two logarithms, with labels."""
    exponents = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    every = -(-len(exponents) // 5)
    return [(float(exponent), _label(10.0**exponent)) for exponent in exponents[::every]]


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def _label(value: float) -> str:
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-")
    return f"{value:,.6g}"
