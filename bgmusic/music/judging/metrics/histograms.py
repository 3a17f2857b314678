"""Histograms of every phrase: how often each length, position, pitch class or interval occurs in it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.metrics.harmony import chroma
from bgmusic.music.judging.metrics.notes import note_lengths


def count_values(values: Tensor, size: int) -> Tensor:
    """How often each of 0 to ``size - 1`` occurs in a row: integers ``(batch, n)`` to int64 ``(batch, size)``."""
    rows = torch.arange(len(values), device=values.device).unsqueeze(1) * size
    return torch.bincount((values + rows).flatten(), minlength=len(values) * size).view(len(values), size)


def note_length_histogram(rolls: Tensor, begins: Tensor) -> Tensor:
    """Notes by length in steps: int64 ``(batch, bars * steps + 1)``, index 0 is never used; all tracks together.

    Zeros for a phrase without notes; a full roll has one note a pitch, as long as the phrase.
    """
    longest = rolls.shape[2] * rolls.shape[3]
    lengths, row = note_lengths(rolls, begins)
    counts = torch.bincount(row * (longest + 1) + lengths, minlength=len(rolls) * (longest + 1))
    return counts.view(len(rolls), longest + 1)


def onset_position_histogram(begins: Tensor) -> Tensor:
    """Notes by the step of the bar in which they begin: int64 ``(batch, steps)``, all tracks together."""
    return begins.sum((1, 2, 4))


def pitch_class_histogram(rolls: Tensor, low: int) -> Tensor:
    """Lit cells by pitch class, C first: int64 ``(batch, 12)``; given onsets it counts notes."""
    return chroma(rolls, low).sum((1, 2)).long()


def interval_histogram(one: Tensor, other: Tensor) -> Tensor:
    """Intervals between the notes of two tracks that sound in the same step: int64 ``(batch, 2 * pitches - 1)``.

    ``one`` and ``other`` are ``(batch, bars, steps, pitches)``. Index ``i`` counts, over all steps, the pairs in which
    the other's pitch is ``i - (pitches - 1)`` semitones above the one's. Zeros where the two never sound together.
    """
    pitches = one.shape[-1]
    together = one.flatten(1, 2).float().transpose(1, 2) @ other.flatten(1, 2).float()  # exact below 2^24 steps
    # Upside down, and rows one place longer than they are read: what was a diagonal is a column.
    skewed = F.pad(together.flip(1), (0, pitches)).flatten(1)[:, : pitches * (2 * pitches - 1)]
    counts: Tensor = skewed.unflatten(1, (pitches, -1)).sum(1).long()
    return counts
