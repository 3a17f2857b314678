"""Read the metrics that a run logged, as curves."""

from __future__ import annotations

import json
from pathlib import Path

Curve = tuple[list[float], list[float]]
"""Steps in ascending order, and the value at each."""

_MOST_BYTES = 1 << 26
_MOST_NAMES = 200


def read_curves(path: Path) -> dict[str, Curve]:
    """Read the curves of a ``metrics.jsonl`` or ``scores.jsonl``, by name; empty if there is no file.

    The file is untrusted: lines that are no JSON objects, steps that do not ascend, values that are no numbers, and
    everything after 64 MB are skipped.
    """
    curves: dict[str, Curve] = {}
    if not path.is_file():
        return curves
    with path.open("rb") as file:
        lines = file.read(_MOST_BYTES).decode("utf-8", errors="replace").splitlines()
    last = -1.0
    for line in lines:
        try:
            values = json.loads(line)
            step = float(values.pop("step"))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            continue
        if not last < step < 1e15:
            continue
        last = step
        for name, value in values.items():
            known = name in curves or len(curves) < _MOST_NAMES
            if known and type(value) in (int, float) and -1e300 < value < 1e300:
                steps, ordinates = curves.setdefault(name, ([], []))
                steps.append(step)
                ordinates.append(float(value))
    return curves


def thinned(curve: Curve, most: int) -> Curve:
    """Thin a curve to at most ``most`` points, evenly spread, the first and the last included."""
    steps, values = curve
    if len(steps) <= most:
        return curve
    chosen = [round(place * (len(steps) - 1) / (most - 1)) for place in range(most)]
    return [steps[number] for number in chosen], [values[number] for number in chosen]
