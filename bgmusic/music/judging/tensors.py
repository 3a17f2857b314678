"""Phrases as tensors, converted once where judging begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.music.rolls.phrases import Phrases


@dataclass(frozen=True, eq=False)
class PhraseTensors:
    """The arrays of a batch of phrases.

    Attributes:
        cells: boolean ``(batch, tracks, bars, steps, pitches)``.
        onsets: the same shape, or None in the pause encoding.
        drums: boolean ``(tracks,)``.
        groups: int64 ``(batch,)``, the piece of each phrase, numbered from 0 without gaps.

    """

    cells: Tensor
    onsets: Tensor | None
    drums: Tensor
    groups: Tensor

    @property
    def channels(self) -> Tensor:
        """Cells, followed by onsets if any, along the tracks."""
        return self.cells if self.onsets is None else torch.cat([self.cells, self.onsets], dim=1)


def to_tensors(phrases: Phrases) -> PhraseTensors:
    """Return the arrays of phrases as tensors, which share their memory unless it is read-only."""
    return PhraseTensors(
        cells=_tensor(phrases.cells),
        onsets=None if phrases.onsets is None else _tensor(phrases.onsets),
        drums=_tensor(phrases.drums),
        groups=_tensor(phrases.groups),
    )


def _tensor(array: NDArray[np.bool_] | NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.require(array, requirements="W"))
