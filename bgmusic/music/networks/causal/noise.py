"""The layout of a causal composer's noise: all random numbers of a composition."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bgmusic.music.networks.composer.noise import uniform_of

CHANGE, GOING_ON, NOTES = 0, 1, 2
"""Places of a track's numbers in a step: does it change, what goes on, one for each note that starts, and, where beats
return, one for each of those decisions."""


@dataclass(frozen=True)
class NoiseLayout:
    """How noise ``(batch, size)`` is divided; with fewer drafts, the last numbers are not used.

    Attributes:
        steps: steps of a phrase.
        tracks: number of tracks.
        notes: the most notes that a track starts in a step.
        drafts: number of drafts of a phrase.
        draws: how often drafts are drawn.
        returns: decisions whether beats return.

    """

    steps: int
    tracks: int
    notes: int
    drafts: int = 1
    draws: int = 0
    returns: int = 0

    @property
    def size(self) -> int:
        """Numbers of a phrase."""
        return 1 + self.draws + self.drafts * self._of_draft

    @property
    def _of_draft(self) -> int:
        return self.steps * self.tracks * self._of_step

    @property
    def _of_step(self) -> int:
        return NOTES + self.notes + self.returns

    def key(self, noise: Tensor) -> Tensor:
        """Return the number that draws each phrase's key, uniform in [0, 1): float32 ``(batch,)``."""
        return uniform_of(noise[:, 0])

    def of_draws(self, noise: Tensor) -> Tensor:
        """Return the numbers that draw drafts, uniform in [0, 1): float32 ``(batch, draws)``."""
        return uniform_of(noise[:, 1 : 1 + self.draws])

    def openings(self, noise: Tensor, units: int) -> Tensor:
        """Return a number for each unit of a phrase, uniform in [0, 1): float32 ``(batch, tracks, units)``."""
        places = torch.arange(self.tracks * units, device=noise.device) * self._of_step
        return uniform_of(noise[:, -1 - places]).view(len(noise), self.tracks, units)

    def thresholds(self, noise: Tensor) -> Tensor:
        """Return thresholds in [0, 1): float32 ``(steps, tracks, numbers, batch * drafts)``."""
        uniform = uniform_of(noise[:, 1 + self.draws : self.size])
        return uniform.reshape(-1, self.steps, self.tracks, self._of_step).permute(1, 2, 3, 0)
