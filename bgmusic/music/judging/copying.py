"""Measure how much of generated phrases is copied from the training set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.metrics import note_begins
from bgmusic.music.judging.metrics.checks import require_integer
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.rolls.phrases import Phrases

OCTAVE = 12
_COLUMNS = 512  # training phrases at a time, to bound the memory


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest training phrase of each phrase, by notes in common.

    Attributes:
        share: float32 ``(n,)``, twice the common notes over the notes of both: 0 (none, or silence) to 1 (a copy).
        index: int64 ``(n,)``, index of the training phrase.
        shift: int64 ``(n,)``, semitones by which the phrase is transposed up to agree best.

    """

    share: Tensor
    index: Tensor
    shift: Tensor


def notes_in_common(phrases: Phrases, training: Phrases, transpose: int = OCTAVE) -> Tensor:
    """Return the share of notes in common with the nearest training phrase: float32 ``(n,)``. See :func:`nearest`."""
    return nearest(phrases, training, transpose).share


def nearest(phrases: Phrases, training: Phrases, transpose: int = OCTAVE) -> Nearest:
    """Find the training phrase with the most notes in common with each phrase.

    A note is in common if its track, onset and pitch agree after the best transposition. Drums are not transposed. Ties
    go to the smallest transposition, then to the first training phrase.

    Args:
        phrases: the phrases to look up.
        training: the training phrases, of the same tracks, resolution and shape.
        transpose: largest transposition up or down, in semitones.

    Raises:
        UserError: the tracks, resolutions or shapes differ.

    """
    require_integer(transpose, "transpose", 0)
    phrases.require_like(training, "the training data")
    begins = _begins(phrases)
    steps, pitches = begins.shape[2:]
    counts = begins.flatten(1).sum(1).float()
    row, track, step, pitch = begins.nonzero(as_tuple=True)
    starts = torch.searchsorted(row, torch.arange(len(begins)))
    moved = (~to_tensors(phrases).drums)[track]
    best = torch.zeros(len(begins))
    index, shifts = (torch.zeros(len(begins), dtype=torch.int64) for _ in range(2))
    for first in range(0, len(training), _COLUMNS):
        there = _begins(training[first : first + _COLUMNS]).flatten(1)
        # One row for each cell, and a row of zeros for notes that a transposition moves off the grid.
        table = F.pad(there.T.float(), (0, 0, 0, 1))
        training_counts = there.sum(1).float()
        for shift in sorted(range(-transpose, transpose + 1), key=abs):
            to = pitch + shift * moved
            cell = ((track * steps + step) * pitches + to).masked_fill((to < 0) | (to >= pitches), len(table) - 1)
            common = F.embedding_bag(cell, table, starts, mode="sum")
            total = counts.unsqueeze(1) + training_counts
            share, place = (2 * common / total.clamp(min=1)).max(1)
            better = share > best
            best = torch.where(better, share, best)
            index = torch.where(better, first + place, index)
            shifts = torch.where(better, shift, shifts)
    return Nearest(best, index, shifts)


def known_bars(phrases: Phrases, training: Phrases) -> float:
    """Return the share of bars that occur in the training set: 0 to 1.

    Bars match if all cells of all tracks agree. Silent bars are ignored; 0 if all bars are silent.

    Raises:
        UserError: the tracks, resolutions or shapes differ.
        ValueError: the encodings differ.

    """
    phrases.require_like(training, "the training data")
    if phrases.encoding != training.encoding:
        raise ValueError(f"phrases must have one encoding, not {phrases.encoding} and {training.encoding}")
    known = {bar for first in range(0, len(training), _COLUMNS) for bar in _bars(training[first : first + _COLUMNS])}
    bars = _bars(phrases)
    return sum(bar in known for bar in bars) / len(bars) if bars else 0.0


def _begins(phrases: Phrases) -> Tensor:
    """Return the first cells of notes: boolean ``(n, tracks, bars * steps, pitches)``."""
    given = to_tensors(phrases)
    return note_begins(given.cells, given.onsets, given.drums).flatten(2, 3)


def _bars(phrases: Phrases) -> list[bytes]:
    """Return the bits of every bar that is not silent."""
    bars = to_tensors(phrases).channels.transpose(1, 2).flatten(0, 1).flatten(1)
    packed = np.packbits(bars[bars.any(1)].cpu().numpy(), axis=1)
    return [bar.tobytes() for bar in packed]
