"""Metrics that count: bars, pitches, notes, voices.

Sources: MuseGAN (Dong et al., AAAI 2018, arXiv 1709.06298, section 5.1: EB, UPC, QN) and BinaryMuseGAN (Dong and
Yang, ISMIR 2018, arXiv 1804.09399, section 4.2: QN, PP). What their code computes instead is in ``published``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.metrics.lanes import Lanes, count_cells, lanes


def empty_bar_rate(rolls: Tensor | Lanes) -> Tensor:
    """The share of bars without a lit cell: float32 ``(batch, tracks)``, 0 to 1.

    MuseGAN's EB. Never NaN: 1 for silence, 0 for a full roll.
    """
    return lanes(rolls).per_pitch.amax(-1).eq(0).float().mean(-1)


def pitches_used(rolls: Tensor | Lanes) -> Tensor:
    """How many pitches sound in each bar: int64 ``(batch, tracks, bars)``, 0 to the number of pitches."""
    return lanes(rolls).per_pitch.ne(0).sum(-1)


def pitch_classes_used(rolls: Tensor | Lanes, low: int) -> Tensor:
    """How many pitch classes sound in each bar: int64 ``(batch, tracks, bars)``, 0 to 12.

    MuseGAN's UPC. ``low`` is the MIDI pitch of the first row.
    """
    return fold(lanes(rolls).per_pitch, low).ne(0).sum(-1)


def fold(counts: Tensor, low: int) -> Tensor:
    """Sums over octaves: ``(..., pitches)`` to float32 ``(..., 12)``, C first.

    ``low`` is the MIDI pitch of the first row.
    """
    classes = (torch.arange(counts.shape[-1], device=counts.device) + low) % 12
    return counts.float() @ F.one_hot(classes, 12).float()


def notes_per_bar(begins: Tensor | Lanes) -> Tensor:
    """How many notes begin in each bar: int64 ``(batch, tracks, bars)``; ``begins`` as by ``note_begins``."""
    return lanes(begins).per_step.sum(-1)


def shortest_qualified(resolution: int) -> int:
    """The shortest note that is no fragment, in steps, at ``resolution`` steps a beat.

    The papers' is three steps of 24 to a beat, a thirty-second note: so it is at every resolution that has them. On
    coarser grids a note of a single step is as short as can be, and the shortest that qualifies has two.
    """
    return max(2, -(-resolution // 8))


def qualified_note_rate(rolls: Tensor | Lanes, shortest: int, onsets: Tensor | Lanes | None = None) -> Tensor:
    """The share of notes that last ``shortest`` steps or more: float32 ``(batch, tracks)``, 0 to 1.

    QN of both papers ("no shorter than three time steps", at 24 steps a beat). Notes are read across bar lines; with
    ``onsets`` (the lossless encoding) repeated notes are told from a held one. NaN for a track without notes. A roll
    of one step has notes of one step: 0 where ``shortest`` is more.
    """
    lit, begun = lanes(rolls), None if onsets is None else lanes(onsets).cells.flatten(2, 3)
    cells = lit.cells.flatten(2, 3)
    if begun is None:
        total = lit.per_pitch.sum((-2, -1))
        linked = cells[:, :, 1:] & cells[:, :, :-1]
    else:
        cells = cells | begun
        total = count_cells(cells)
        linked = cells[:, :, 1:] & cells[:, :, :-1] & ~begun[:, :, 1:]
    # A note of n cells has max(n - k, 0) runs of k links between neighbouring cells. So there are as many notes of
    # k cells or more as runs of k - 1 links less those of k links; with k = 1, all notes.
    before, runs = total, count_cells(linked)
    notes, chain = before - runs, linked
    for links in range(2, shortest + 1):
        chain = chain[:, :, :-1] & linked[:, :, links - 1 :]
        before, runs = runs, count_cells(chain)
    return (before - runs) / notes


def voices(rolls: Tensor | Lanes) -> Tensor:
    """How many pitches sound in each step: int32 ``(batch, tracks, bars, steps)``."""
    return lanes(rolls).per_step


def polyphony_rate(rolls: Tensor | Lanes, more_than: int = 2) -> Tensor:
    """The share of steps in which more than ``more_than`` pitches sound: float32 ``(batch, tracks)``, 0 to 1.

    BinaryMuseGAN's PP ("the number of pitches being played is larger than two"), muspy's ``polyphony_rate``. Never
    NaN: silent steps count, so silence gives 0.
    """
    return voices(rolls).gt(more_than).float().mean((-2, -1))
