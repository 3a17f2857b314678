"""Schedules for slopes and temperatures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from bgmusic.neurons.modules import set_slope, set_temperature

Rule = Callable[[int], float]
"""Schedule: from a training step, counted from 0, to a value."""

_LARGEST_EXPONENT = 85.0  # exp(85) and exp(-85) are normal float32 numbers


@dataclass(frozen=True)
class Stairs:
    """Step schedule: ``start * factor^(step // every)``, up (or down) to ``limit``.

    The papers multiply the slope by 1.1 after each epoch.

    Args:
        factor: change at each stair, positive.
        every: steps between two stairs.
        start: value at step 0, positive.
        limit: largest value (smallest, if ``factor`` is below 1).

    Raises:
        ValueError: a number is not positive.

    """

    factor: float = 1.1
    every: int = 1
    start: float = 1.0
    limit: float = math.inf

    def __post_init__(self) -> None:
        """Check the values."""
        if not (self.factor > 0 and self.start > 0 and self.limit > 0 and self.every >= 1):
            raise ValueError(f"stairs need positive factor, start and limit, and every >= 1; got {self}")

    def __call__(self, step: int) -> float:
        """Return the value at ``step``."""
        # In logarithms, because the power may overflow float32 long after the limit is reached.
        exponent = math.log(self.start) + step // self.every * math.log(self.factor)
        value = math.exp(max(-_LARGEST_EXPONENT, min(exponent, _LARGEST_EXPONENT)))
        return min(value, self.limit) if self.factor >= 1 or self.limit == math.inf else max(value, self.limit)


@dataclass(frozen=True)
class Glide:
    """Exponential schedule: from ``start`` to ``end`` by equal factors within ``steps`` steps, then constant.

    Args:
        start: value at step 0, positive.
        end: value from step ``steps`` on, positive.
        steps: length of the transition, 1 or more.

    Raises:
        ValueError: a number is not positive.

    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        """Check the values."""
        if not (self.start > 0 and self.end > 0 and self.steps >= 1):
            raise ValueError(f"a glide needs positive start and end, and steps >= 1; got {self}")

    def __call__(self, step: int) -> float:
        """Return the value at ``step``."""
        progress = min(1.0, step / self.steps)
        return self.end if progress == 1.0 else self.start * (self.end / self.start) ** progress


class Annealing:
    """Set the slope and the temperature of every neuron in a model by a schedule.

    Use it like a learning-rate scheduler: call ``step()`` after each optimizer step. ``state_dict()`` holds the step
    count only; pass the rules again when training resumes.

    Args:
        model: model that contains the neurons; neurons added later are included from the next step on.
        slope: schedule of the slope; None leaves slopes unchanged.
        temperature: schedule of the temperature; None leaves temperatures unchanged.

    Raises:
        ValueError: the model has no neuron to anneal, no rule is given, or a rule's value is not positive.

    """

    def __init__(self, model: nn.Module, slope: Rule | None = None, temperature: Rule | None = None) -> None:
        self.model, self.slope, self.temperature = model, slope, temperature
        self.count = 0
        if not self._apply():
            raise ValueError("the model has no neuron to anneal, or no rule was given")

    def _apply(self) -> int:
        count = 0
        if self.slope is not None:
            count += set_slope(self.model, self.slope(self.count))
        if self.temperature is not None:
            count += set_temperature(self.model, self.temperature(self.count))
        return count

    def step(self) -> None:
        """Advance by one training step."""
        self.count += 1
        self._apply()

    def state_dict(self) -> dict[str, int]:
        """Return the state for a checkpoint."""
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore the state of a checkpoint and apply it to the model."""
        self.count = state["count"]
        self._apply()
