"""What a run logged while it trained, read back as curves."""

from __future__ import annotations

import json
from pathlib import Path

Curve = tuple[list[float], list[float]]
"""Steps, ascending, and a value at each."""

_MOST_BYTES = 1 << 26
_MOST_NAMES = 200


def read_curves(path: Path) -> dict[str, Curve]:
    """The curves of a ``metrics.jsonl`` or ``scores.jsonl`` by their names, in the order of the file; {} for no file.

    The file is anyone's: what is no line of numbers, or goes back in steps, is left out, and so is all after 64 MB.
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
    """At most so many points of a curve, evenly spread, its first and last among them."""
    steps, values = curve
    if len(steps) <= most:
        return curve
    chosen = [round(place * (len(steps) - 1) / (most - 1)) for place in range(most)]
    return [steps[number] for number in chosen], [values[number] for number in chosen]
