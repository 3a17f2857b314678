"""Facts and loss curves of a run for its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bgmusic.errors import UserError
from bgmusic.training.logs import Curve, read_curves
from bgmusic.training.report.charts import Chart, chart
from bgmusic.training.runs import Run

Facts = list[tuple[str, str]]

_MAX_LENGTH = 500  # characters of a value
_LOSSES = {
    "d_loss": "D's loss",
    "g_loss": "G's loss",
    "real_score": "D's score of real samples",
    "fake_score": "D's score of generated samples",
    "penalty": "penalty",
}


def facts(run: Run) -> Facts:
    """Return the run's command, seed, updates, time, machine and versions as names and values.

    Values that the run did not record are left out.
    """
    try:
        known = run.environment()
    except UserError:
        known = {}
    values = {
        "run": str(run.path),
        "command": known.get("command"),
        "seed": known.get("seed"),
        "updates": _updates(read_curves(run.path / "metrics.jsonl")),
        "time": _time(read_curves(run.path / "timings.jsonl")),
        "device": known.get("device"),
        "machine": _joined(known, ("system", "machine")),
        "CPUs, threads": _joined(known, ("cpus", "threads")),
        "versions": ", ".join(f"{name} {known[name]}" for name in ("bgmusic", "torch", "python") if name in known),
    }
    return [(name, str(value)[:_MAX_LENGTH]) for name, value in values.items() if value not in (None, "")]


def _joined(known: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return ", ".join(str(known[name])[:_MAX_LENGTH] for name in names if name in known)


def _updates(curves: dict[str, Curve]) -> str:
    ends = {name: (steps[-1], values[-1]) for name, (steps, values) in curves.items()}
    if not ends:
        return ""
    steps = max(step for step, _ in ends.values())
    of_d = f", {ends['d_updates'][1]:,.0f} of D" if "d_updates" in ends else ""
    return f"{steps:,.0f} of G{of_d}"


def _time(curves: dict[str, Curve]) -> str:
    if "wall_seconds" not in curves:
        return ""
    cpu = f", {format_time(curves['cpu_seconds'][1][-1])} of CPU" if "cpu_seconds" in curves else ""
    return format_time(curves["wall_seconds"][1][-1]) + cpu


def format_time(seconds: float) -> str:
    """Format a time as ``1 h 03 min``, ``4 min 10 s`` or ``12 s``."""
    whole = round(max(0.0, min(seconds, 1e12)))
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min {whole % 60:02} s" if minutes else f"{whole} s"


def loss_charts(run: Run) -> list[Chart]:
    """Return a chart of each loss and score that the run logged."""
    curves = read_curves(run.path / "metrics.jsonl")
    return [chart(title, curves[name]) for name, title in _LOSSES.items() if name in curves]
