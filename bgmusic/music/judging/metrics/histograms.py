"""Histograms of each phrase: note lengths, onset positions, pitch classes, intervals."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.metrics.checks import TRACK, require_boolean, require_same_shape
from bgmusic.music.judging.metrics.harmony import chroma
from bgmusic.music.judging.metrics.notes import note_lengths


def note_length_histogram(rolls: Tensor, begins: Tensor) -> Tensor:
    """Count notes by length in steps: int64 ``(batch, bars * steps + 1)``; index 0 is never used.

    All tracks count together. ``begins`` are the first cells of notes, see ``note_begins``. Zeros for a phrase without
    notes; a full roll has one note for each pitch, as long as the phrase.
    """
    lengths, row = note_lengths(rolls, begins)
    longest = rolls.shape[2] * rolls.shape[3]
    counts = torch.bincount(row * (longest + 1) + lengths, minlength=len(rolls) * (longest + 1))
    return counts.view(len(rolls), longest + 1)


def onset_position_histogram(begins: Tensor) -> Tensor:
    """Count notes by the step of the bar in which they begin: int64 ``(batch, steps)``, all tracks together."""
    return require_boolean(begins, "begins").sum((1, 2, 4))


def pitch_class_histogram(rolls: Tensor, low: int) -> Tensor:
    """Count lit cells by pitch class, C first: int64 ``(batch, 12)``; for onsets it counts notes.

    ``low`` is the MIDI pitch of the first row.
    """
    return chroma(rolls, low).sum((1, 2)).long()


def interval_histogram(one: Tensor, other: Tensor) -> Tensor:
    """Count the intervals between two tracks in each step: int64 ``(batch, 2 * pitches - 1)``.

    ``one`` and ``other`` are boolean ``(batch, bars, steps, pitches)``. Index ``i`` counts the pairs of sounding cells
    in which the pitch of ``other`` is ``i - (pitches - 1)`` semitones above that of ``one``. Zeros if the tracks never
    sound together.
    """
    require_boolean(one, "one", TRACK)
    require_boolean(other, "other", TRACK)
    require_same_shape(one.shape, other.shape, "one", "other")
    pitches = one.shape[-1]
    together = one.flatten(1, 2).float().transpose(1, 2) @ other.flatten(1, 2).float()  # exact below 2^24 steps
    # Flip the rows and read them one place longer than they are: diagonals become columns.
    skewed = F.pad(together.flip(1), (0, pitches)).flatten(1)[:, : pitches * (2 * pitches - 1)]
    counts: Tensor = skewed.unflatten(1, (pitches, -1)).sum(1).long()
    return counts
