"""Slopes and temperatures that follow the training step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from bgmusic.neurons.modules import set_slope, set_temperature

Rule = Callable[[int], float]
"""From a training step, 0 first, to a value."""

_MOST = 85.0  # e to the power of it, up or down, is a normal float32 number


@dataclass(frozen=True)
class Stairs:
    """``start * factor^(step // every)``, up (or down) to ``limit``: the papers' slope, x1.1 after each epoch."""

    factor: float = 1.1
    every: int = 1
    start: float = 1.0
    limit: float = math.inf

    def __post_init__(self) -> None:
        """Refuse what has no value at some step."""
        if self.factor <= 0 or self.start <= 0 or self.limit <= 0 or self.every < 1:
            raise ValueError(f"stairs need positive numbers, and whole steps: {self}")

    def __call__(self, step: int) -> float:
        """The value at ``step``."""
        # Logarithms: in a long training the power leaves what a float32 buffer holds, long after the limit is reached.
        exponent = math.log(self.start) + step // self.every * math.log(self.factor)
        value = math.exp(max(-_MOST, min(exponent, _MOST)))
        return min(value, self.limit) if self.factor >= 1 or self.limit == math.inf else max(value, self.limit)


@dataclass(frozen=True)
class Glide:
    """From ``start`` to ``end`` evenly by factors within ``steps`` steps, and ``end`` from there on."""

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        """Refuse what has no value at some step."""
        if self.start <= 0 or self.end <= 0 or self.steps < 1:
            raise ValueError(f"a glide needs positive numbers, and whole steps: {self}")

    def __call__(self, step: int) -> float:
        """The value at ``step``."""
        progress = min(1.0, step / self.steps)
        return self.end if progress == 1.0 else self.start * (self.end / self.start) ** progress


class Annealing:
    """Sets the slope and the temperature of every neuron in a model as training steps go by.

    Like a learning-rate scheduler: ``step()`` after each optimiser step; ``state_dict()`` keeps the count. The rules
    are given anew when training resumes, as the optimiser's settings are.

    Args:
        model: holds the neurons; those added later are served too, from the next step.
        slope: from the step to the slope; None leaves slopes alone.
        temperature: from the step to the temperature; None leaves temperatures alone.

    Raises:
        ValueError: the model has no neuron to anneal, or a rule's value is not positive.

    """

    def __init__(self, model: nn.Module, slope: Rule | None = None, temperature: Rule | None = None) -> None:
        self.model, self.slope, self.temperature = model, slope, temperature
        self.count = 0
        if not self._apply():
            raise ValueError("the model has no neuron to anneal, or no rule was given")

    def _apply(self) -> int:
        served = 0
        if self.slope is not None:
            served += set_slope(self.model, self.slope(self.count))
        if self.temperature is not None:
            served += set_temperature(self.model, self.temperature(self.count))
        return served

    def step(self) -> None:
        """One training step is done."""
        self.count += 1
        self._apply()

    def state_dict(self) -> dict[str, int]:
        """What a checkpoint keeps."""
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a checkpoint."""
        self.count = state["count"]
        self._apply()
