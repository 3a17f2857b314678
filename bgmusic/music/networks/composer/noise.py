"""The layout of a composer's noise: all random numbers of a composition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bgmusic.music.networks.composer.decisions.base import Decision
from bgmusic.music.networks.pianoroll_config import ComposerConfig
from bgmusic.music.rolls.shape import RollShape

# Numbers that every layout has, used or not, so that both encodings take the same noise.
_ALWAYS = ("move", "cells", "onsets")


@dataclass(frozen=True)
class StageNoise:
    """The random numbers of one stage, uniform in [0, 1).

    Attributes:
        opening: compared with the stage's share to open each unit, ``(batch, tracks, units)``.
        values: thresholds of each decision by its name, ``(batch, tracks, steps)`` or ``(batch, tracks, 1)``.

    """

    opening: Tensor
    values: Mapping[str, Tensor]


@dataclass(frozen=True)
class NoiseLayout:
    """How noise ``(batch, size)`` is divided among stages and decisions.

    Attributes:
        stages: number of stages.
        kept: number of first stages that share the per-track numbers of the first one.
        tracks: number of tracks.
        units: units of a track.
        steps: steps of a unit.
        per_step: names of decisions with a number at each step.
        per_track: names of decisions with one number for each track.
        form: whether the last number draws a phrase's form.

    """

    stages: int
    kept: int
    tracks: int
    units: int
    steps: int
    per_step: tuple[str, ...]
    per_track: tuple[str, ...]
    form: bool

    @property
    def per_unit(self) -> int:
        """Numbers of each unit in each stage."""
        return 1 + len(self.per_step) * self.steps

    @property
    def size(self) -> int:
        """Numbers of a phrase."""
        return self.stages * self.tracks * (self.units * self.per_unit + len(self.per_track)) + self.form

    def stage_noise(self, noise: Tensor) -> Iterator[StageNoise]:
        """Yield each stage's numbers from standard normal noise ``(batch, size)``."""
        of_stages = noise[:, : self.size - self.form].view(len(noise), self.stages, self.tracks, -1)
        first = None
        for number, stage in enumerate(uniform_of(of_stages).unbind(1)):
            of_units, of_tracks = stage.tensor_split([self.units * self.per_unit], 2)
            of_units = of_units.unflatten(2, (self.units, self.per_unit))
            of_steps = of_units[..., 1:].unflatten(3, (len(self.per_step), self.steps)).transpose(2, 3).flatten(3)
            first = of_tracks if first is None else first
            of_tracks = first if number < self.kept else of_tracks
            values = dict(zip(self.per_step, of_steps.unbind(2), strict=True))
            values |= {name: of_tracks[..., place : place + 1] for place, name in enumerate(self.per_track)}
            yield StageNoise(of_units[..., 0], values)

    def form_noise(self, noise: Tensor) -> Tensor:
        """Return the uniform number that draws each phrase's form, ``(batch,)``."""
        return uniform_of(noise[:, -1])


def layout_of(decisions: Sequence[Decision], settings: ComposerConfig, shape: RollShape) -> NoiseLayout:
    """Return the noise layout of a composer."""
    per_step = [decision.name for decision in decisions if decision.noise == "step"]
    return NoiseLayout(
        stages=settings.stages,
        # Kept until the draft stands: resting for a whole phrase is one decision.
        kept=sum(share_of(settings, stage) > settings.least for stage in range(settings.stages)),
        tracks=len(shape.track_set),
        units=shape.bars * shape.beats,
        steps=shape.unit,
        per_step=(*_ALWAYS, *(name for name in per_step if name not in _ALWAYS)),
        per_track=tuple(decision.name for decision in decisions if decision.noise == "track"),
        form=settings.form,
    )


def share_of(settings: ComposerConfig, stage: int) -> float:
    """Return the share of units that a stage opens: it falls evenly from 1 to the least share and stays there."""
    falling = 1 - stage / max(1.0, settings.falling * (settings.stages - 1))
    return max(settings.least, falling)


def uniform_of(noise: Tensor) -> Tensor:
    """Turn standard normal numbers into uniform ones in [0, 1)."""
    uniform: Tensor = torch.special.ndtr(noise.float()).clamp(max=1 - 2**-24)
    return uniform
