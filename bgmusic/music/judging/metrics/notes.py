"""Where notes begin, in rolls with onsets and without."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def note_begins(rolls: Tensor, onsets: Tensor | None = None, drums: Tensor | None = None) -> Tensor:
    """The first cell of every note, as ``Roll.notes`` reads them: boolean, the shape of ``rolls``.

    A note begins where a cell sounds that did not in the step before (the bar line ends no note), and wherever
    ``onsets``, of the same shape, says so; the first step begins whatever sounds in it. Without onsets, every cell
    of the tracks named by ``drums``, boolean ``(tracks,)``, is a hit.
    """
    time = sounding(rolls, onsets).flatten(2, 3)
    begins = time.clone()
    begins[:, :, 1:] &= ~time[:, :, :-1]
    begins = begins.view_as(rolls)
    if onsets is not None:
        return begins | onsets
    if drums is not None and bool(drums.any()):
        begins[:, drums] = rolls[:, drums]
    return begins


def sounding(rolls: Tensor, onsets: Tensor | None = None) -> Tensor:
    """The cells that sound: lit, or begun."""
    return rolls if onsets is None else rolls | onsets


def note_lengths(rolls: Tensor, begins: Tensor) -> tuple[Tensor, Tensor]:
    """Length in steps of every note and the row of the batch it is in: two int64 ``(notes,)``.

    A note lasts from its begin to the step before the next begin of its pitch, or before silence, or the end.
    Cells that no begin precedes belong to no note.
    """
    # Pitch by pitch along time, with a silent step at the end, so that no run goes on into the next pitch.
    on = F.pad(rolls.flatten(2, 3).transpose(2, 3), (0, 1)).flatten(1)
    begin = F.pad(begins.flatten(2, 3).transpose(2, 3), (0, 1)).flatten(1)
    row, start = begin.nonzero(as_tuple=True)
    # The next cell in which the note is over: a begin, or silence.
    ended_row, ended = (begin | ~on).nonzero(as_tuple=True)
    width = on.shape[1]
    at = torch.searchsorted(ended_row * width + ended, row * width + start, right=True)
    return ended[at] - start, row
