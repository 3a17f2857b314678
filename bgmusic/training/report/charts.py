"""Curves as SVG inside a page: they take the page's colours, light or dark, and any width."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bgmusic.training.logs import Curve, thinned

WIDTH, HEIGHT = 320, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 10, 22
_MOST_POINTS = 300
_LOGARITHMIC = 30  # times the least value that the greatest is, from which the axis is logarithmic

Ticks = tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Chart:
    """One curve, ready to be drawn on ``WIDTH`` x ``HEIGHT``.

    ``points`` are those of an SVG polyline, ``end`` the last of them; ``reference`` is the height of a dashed line;
    ticks are places and labels. ``value`` is the last one, and ``summary`` says everything in words.
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
    """The chart of a curve with one point at least, with a dashed line at ``reference``.

    The axis of values is logarithmic where all are positive and far apart.
    """
    steps, values = thinned(curve, _MOST_POINTS)
    shown = values + ([reference] if reference is not None and math.isfinite(reference) else [])
    logarithmic = min(shown) > 0 and max(shown) / min(shown) >= _LOGARITHMIC
    heights = [math.log10(value) if logarithmic else value for value in shown]
    low, high = min(heights), max(heights)
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-290):  # a constant still needs an axis
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
    """Some round numbers from ``low`` to ``high``, at steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    return [
        round(place * step, 12) for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def _powers(low: float, high: float) -> list[tuple[float, str]]:
    """The powers of ten between two logarithms, thinned to five."""
    exponents = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    every = -(-len(exponents) // 5)
    return [(float(exponent), _label(10.0**exponent)) for exponent in exponents[::every]]


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def _label(value: float) -> str:
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-")
    return f"{value:,.6g}"
