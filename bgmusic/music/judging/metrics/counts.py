"""Metrics that count: bars, pitches, notes, voices.

Sources: MuseGAN (Dong et al., AAAI 2018, arXiv 1709.06298, section 5.1: EB, UPC, QN) and BinaryMuseGAN (Dong and
Yang, ISMIR 2018, arXiv 1804.09399, section 4.2: QN, PP). What their code computes instead is in ``published``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.metrics.lanes import Lanes, count_cells, lanes

_CHUNK = 2  # phrases at a time: what is written is still in the cache when it is read


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
    cells = lanes(rolls).cells.flatten(2, 3)
    begun = None if onsets is None else lanes(onsets).cells.flatten(2, 3)
    rates = [
        _at_least(part, None if begun is None else begun[start : start + _CHUNK], shortest)
        for start, part in zip(range(0, len(cells), _CHUNK), cells.split(_CHUNK), strict=True)
    ]
    return torch.cat(rates)


def _at_least(cells: Tensor, begun: Tensor | None, shortest: int) -> Tensor:
    """The share of notes of ``shortest`` steps or more: lanes ``(batch, tracks, steps, width)`` to ``(batch, tracks)``.

    A note of n cells has max(n - k, 0) runs of k links between neighbouring cells. So there are as many notes of k
    cells or more as runs of k - 1 links less those of k links; with k = 1, all notes.
    """
    if begun is not None:
        cells = cells | begun
    linked = cells[:, :, 1:] & cells[:, :, :-1]
    if begun is not None:
        linked &= ~begun[:, :, 1:]
    before, runs = count_cells(cells), count_cells(linked)
    notes, chain = before - runs, linked
    for links in range(2, shortest + 1):
        follow = linked[:, :, links - 1 :]
        # In place but for the first: fresh memory costs more than the operation.
        chain = chain[:, :, :-1] & follow if links == 2 else chain[:, :, :-1].bitwise_and_(follow)
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
