"""What the tracks of phrases play in the step that is composed; views of these tensors are made once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LAST, NOW, MOVE, MOTION = range(4)
"""Columns of a track's codes: the last row of its line before the step; the row that sounds, in this step if the track
has decided, else in the step before; class of that row, and whether the line moves to it; motion class."""


@dataclass(frozen=True, eq=False)
class TrackState:
    """Views of one track's part of a :class:`StepState`.

    Attributes:
        planes: notes that sound and notes that start, ``(batch, 2, rows)``.
        cells: notes that sound, ``(batch, rows)``.
        sounded: those of the step before.
        last: the code ``LAST``, ``(batch,)``.
        after: the codes from ``NOW`` on, ``(batch, 3)``.
        motion: the code ``MOTION``, ``(batch,)``.
        since: steps since the track's last change, ``(batch, 1)``.

    """

    planes: Tensor
    cells: Tensor
    sounded: Tensor
    last: Tensor
    after: Tensor
    motion: Tensor
    since: Tensor


class StepState:
    """The step that is composed.

    Args:
        batch: number of phrases.
        tracks: number of tracks.
        rows: number of rows.
        device: of the tensors.

    Attributes:
        planes: notes that sound and notes that start, zeros and ones, ``(batch, 2, tracks, rows)``.
        cells: notes that sound, ``(batch, tracks, rows)``.
        starts: notes that start.
        sounded: notes that sounded in the step before.
        codes: int64 ``(batch, tracks, 4)``, see :data:`LAST`.
        last: the codes ``LAST``, ``(batch, tracks)``.
        now: the codes ``NOW``.
        motions: the codes ``MOTION``.
        lines: the codes ``LAST`` and ``NOW``, ``(batch, tracks, 2)``.
        since: steps since each track's last change, int64 ``(batch, tracks)``.
        tracks: the part of each track.

    """

    def __init__(self, batch: int, tracks: int, rows: int, device: torch.device) -> None:
        self.planes = torch.zeros(batch, 2, tracks, rows, device=device)
        self.cells, self.starts = self.planes.unbind(1)
        self.sounded = torch.zeros_like(self.cells)
        self.codes = torch.zeros(batch, tracks, 4, dtype=torch.int64, device=device)
        self.last, self.now, _, self.motions = self.codes.unbind(2)
        self.lines = self.codes[:, :, : NOW + 1]
        self.since = torch.ones(batch, tracks, dtype=torch.int64, device=device)
        of_tracks = (
            self.planes.unbind(2),
            self.cells.unbind(1),
            self.sounded.unbind(1),
            self.last.unbind(1),
            self.codes[:, :, NOW:].unbind(1),
            self.motions.unbind(1),
            self.since.split(1, 1),
        )
        self.tracks = [TrackState(*views) for views in zip(*of_tracks, strict=True)]

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places, at the end of a step."""
        for values in (self.planes, self.codes, self.since):
            values.index_copy_(0, places, values.index_select(0, rows))
