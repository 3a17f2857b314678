"""Find notes in rolls, with onsets or without."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.metrics.checks import require_boolean, require_drums, require_same_shape


def note_begins(rolls: Tensor, onsets: Tensor | None = None, drums: Tensor | None = None) -> Tensor:
    """Return the first cell of every note, as ``Roll.notes`` reads them: boolean, the shape of ``rolls``.

    A note begins at a cell whose previous step is silent (bar lines do not end notes), and at every cell of
    ``onsets``, of the same shape. Without onsets, every lit cell of a drum track is a note; ``drums`` is a boolean mask
    ``(tracks,)``.
    """
    cells = sounding(rolls, onsets)
    if drums is not None:
        require_drums(drums, rolls.shape[1])
    time = cells.flatten(2, 3)
    begins = time.clone()
    begins[:, :, 1:] &= ~time[:, :, :-1]
    begins = begins.view_as(rolls)
    if onsets is not None:
        return begins | onsets
    if drums is not None and bool(drums.any()):
        begins[:, drums] = rolls[:, drums]
    return begins


def sounding(rolls: Tensor, onsets: Tensor | None = None) -> Tensor:
    """Return the cells that sound: lit cells and onsets."""
    require_boolean(rolls, "rolls")
    if onsets is None:
        return rolls
    require_boolean(onsets, "onsets")
    require_same_shape(rolls.shape, onsets.shape, "rolls", "onsets")
    return rolls | onsets


def note_lengths(rolls: Tensor, begins: Tensor) -> tuple[Tensor, Tensor]:
    """Return the length in steps of every note, and the row of the batch it is in: two int64 ``(notes,)``.

    A note lasts until the next begin of its pitch, until silence, or until the end. Cells without a preceding begin
    belong to no note.
    """
    require_boolean(rolls, "rolls")
    require_boolean(begins, "begins")
    require_same_shape(rolls.shape, begins.shape, "rolls", "begins")
    # Pitch by pitch along time, with a silent step after each pitch, so that no run continues into the next pitch.
    on = F.pad(rolls.flatten(2, 3).transpose(2, 3), (0, 1)).flatten(1)
    begin = F.pad(begins.flatten(2, 3).transpose(2, 3), (0, 1)).flatten(1)
    row, start = begin.nonzero(as_tuple=True)
    # The next cell at which the note is over: a begin, or silence.
    ended_row, ended = (begin | ~on).nonzero(as_tuple=True)
    width = on.shape[1]
    at = torch.searchsorted(ended_row * width + ended, row * width + start, right=True)
    return ended[at] - start, row
