"""What a composer's noise is made of: all chance in a composition, number by number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_OF_A_STEP = 3  # whether it moves, which notes sound, which of them begin


@dataclass(frozen=True)
class Chances:
    """A stage's numbers, uniform in [0, 1).

    Attributes:
        opening: whether each unit is opened, ``(batch, tracks, units)``.
        moving, sounding, beginning: of decisions at each step, ``(batch, tracks, steps)``.
        inclined: of tracks, ``(batch, tracks, inclinations)``: the first for rests, the last for numbers of notes.

    """

    opening: Tensor
    moving: Tensor
    sounding: Tensor
    beginning: Tensor
    inclined: Tensor


@dataclass(frozen=True)
class Noise:
    """How a composer's noise ``(batch, size)``, standard normal, is divided.

    Attributes:
        stages: in each decisions are made.
        kept: stages, the first ones, that share the first one's inclinations.
        tracks: each has numbers of its own.
        units: of a track.
        steps: of a unit.
        inclinations: a track's own numbers.
        form: whether the phrase has a number for its form, the last.

    """

    stages: int
    kept: int
    tracks: int
    units: int
    steps: int
    inclinations: int
    form: bool

    @property
    def of_a_unit(self) -> int:
        """Numbers of each unit in each stage."""
        return 1 + _OF_A_STEP * self.steps

    @property
    def size(self) -> int:
        """Numbers in all."""
        return self.stages * self.tracks * (self.units * self.of_a_unit + self.inclinations) + self.form

    def of_stages(self, noise: Tensor) -> Iterator[Chances]:
        """Each stage's numbers."""
        of_stages = noise[:, : self.size - self.form].view(len(noise), self.stages, self.tracks, -1)
        kept = None
        for number, stage in enumerate(_uniform(of_stages).unbind(1)):
            of_units, inclined = stage.tensor_split([self.units * self.of_a_unit], 2)
            of_units = of_units.unflatten(2, (self.units, self.of_a_unit))
            steps = of_units[..., 1:].unflatten(3, (_OF_A_STEP, self.steps)).transpose(2, 3).flatten(3)
            kept = inclined if kept is None else kept
            moving, sounding, beginning = steps.unbind(2)
            inclined = kept if number < self.kept else inclined
            yield Chances(of_units[..., 0], moving, sounding, beginning, inclined)

    def of_form(self, noise: Tensor) -> Tensor:
        """The number that a phrase's form is drawn by, ``(batch,)``."""
        return _uniform(noise[:, -1])


def _uniform(noise: Tensor) -> Tensor:
    """Standard normal numbers as uniform ones in [0, 1)."""
    uniform: Tensor = torch.special.ndtr(noise.float()).clamp(max=1 - 2**-24)
    return uniform
