"""Metrics that count bars, pitches, notes and voices.

Sources: MuseGAN (Dong et al., AAAI 2018, arXiv 1709.06298, section 5.1: EB, UPC, QN) and BinaryMuseGAN (Dong and
Yang, ISMIR 2018, arXiv 1804.09399, section 4.2: QN, PP). See ``published`` for where their code differs.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.metrics.checks import require_integer, require_same_shape
from bgmusic.music.judging.metrics.packed import PackedRolls, count_cells, pack

_CHUNK = 2  # phrases at a time, so that intermediate results stay in the cache


def empty_bar_rate(rolls: Tensor | PackedRolls) -> Tensor:
    """Return the share of bars without a lit cell: float32 ``(batch, tracks)``, 0 to 1.

    MuseGAN's EB. Never NaN: 1 for silence, 0 for a full roll.
    """
    return pack(rolls).per_pitch.amax(-1).eq(0).float().mean(-1)


def pitches_used(rolls: Tensor | PackedRolls) -> Tensor:
    """Return the number of distinct pitches in each bar: int64 ``(batch, tracks, bars)``."""
    return pack(rolls).per_pitch.ne(0).sum(-1)


def pitch_classes_used(rolls: Tensor | PackedRolls, low: int) -> Tensor:
    """Return the number of distinct pitch classes in each bar: int64 ``(batch, tracks, bars)``, 0 to 12.

    MuseGAN's UPC. ``low`` is the MIDI pitch of the first row.
    """
    return fold(pack(rolls).per_pitch, low).ne(0).sum(-1)


def fold(counts: Tensor, low: int) -> Tensor:
    """Sum over octaves: ``(..., pitches)`` to float32 ``(..., 12)``, C first.

    ``low`` is the MIDI pitch of the first row.
    """
    require_integer(low, "low")
    classes = (torch.arange(counts.shape[-1], device=counts.device) + low) % 12
    return counts.float() @ F.one_hot(classes, 12).float()


def notes_per_bar(begins: Tensor | PackedRolls) -> Tensor:
    """Return the number of notes that begin in each bar: int64 ``(batch, tracks, bars)``.

    ``begins`` are the first cells of notes, see ``note_begins``.
    """
    return pack(begins).per_step.sum(-1)


def shortest_qualified(resolution: int) -> int:
    """Return the length in steps of the shortest qualified note at ``resolution`` steps a beat.

    The papers' limit is three steps at 24 steps a beat: a thirty-second note. Grids that are too coarse for it use two
    steps, so that a note of a single step never qualifies.
    """
    return max(2, -(-require_integer(resolution, "resolution", 1) // 8))


def qualified_note_rate(
    rolls: Tensor | PackedRolls, shortest: int, onsets: Tensor | PackedRolls | None = None
) -> Tensor:
    """Return the share of notes that last ``shortest`` steps or more: float32 ``(batch, tracks)``, 0 to 1.

    QN of both papers ("no shorter than three time steps", at 24 steps a beat). Notes continue across bar lines.
    ``onsets``, of the same shape, separate repeated notes from held ones (the lossless encoding). NaN for a track
    without notes.
    """
    require_integer(shortest, "shortest", 1)
    packed, begun = pack(rolls), None
    if onsets is not None:
        packed_onsets = pack(onsets)
        require_same_shape(packed.shape, packed_onsets.shape, "rolls", "onsets")
        begun = packed_onsets.cells.flatten(2, 3)
    parts = packed.cells.flatten(2, 3).split(_CHUNK)
    begun_parts = [None] * len(parts) if begun is None else begun.split(_CHUNK)
    rates = [_rate_of_long_notes(part, onset, shortest) for part, onset in zip(parts, begun_parts, strict=True)]
    return torch.cat(rates)


def _rate_of_long_notes(cells: Tensor, begun: Tensor | None, shortest: int) -> Tensor:
    """Share of notes of ``shortest`` steps or more: packed ``(batch, tracks, steps, width)`` to ``(batch, tracks)``.

    A note of n cells has max(n - k, 0) runs of k links between neighbouring cells. The number of notes of k or more
    cells is therefore the number of runs of k - 1 links less the number of runs of k links; k = 1 counts all notes.
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
        # In place after the first, because allocating memory costs more than the operation.
        chain = chain[:, :, :-1] & follow if links == 2 else chain[:, :, :-1].bitwise_and_(follow)
        before, runs = runs, count_cells(chain)
    return (before - runs) / notes


def voices(rolls: Tensor | PackedRolls) -> Tensor:
    """Return the number of pitches that sound in each step: int32 ``(batch, tracks, bars, steps)``."""
    return pack(rolls).per_step


def polyphony_rate(rolls: Tensor | PackedRolls, more_than: int = 2) -> Tensor:
    """Return the share of steps with more than ``more_than`` pitches: float32 ``(batch, tracks)``, 0 to 1.

    BinaryMuseGAN's PP ("the number of pitches being played is larger than two") and muspy's ``polyphony_rate``. Never
    NaN: silent steps count, so silence gives 0.
    """
    require_integer(more_than, "more_than", 0)
    return voices(rolls).gt(more_than).float().mean((-2, -1))
