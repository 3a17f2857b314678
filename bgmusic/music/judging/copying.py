"""How much of the training set stands in generated phrases."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.metrics import note_begins
from bgmusic.music.rolls.phrases import Phrases

OCTAVE = 12
_COLUMNS = 512  # training phrases at a time: bounds the memory


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each of some phrases the training phrase it is nearest to, by notes in common.

    ``share``, float ``(n,)``, is twice the common notes over those of both: 0 to 1, where 1 is a copy; 0 for silence.
    ``index``, int64 ``(n,)``, is the place of the training phrase; ``shift``, int64 ``(n,)``, by how many semitones
    the phrase agrees best with it when it is transposed up.
    """

    share: Tensor
    index: Tensor
    shift: Tensor


def notes_in_common(phrases: Phrases, training: Phrases, transpose: int = OCTAVE) -> Tensor:
    """The share of notes that each phrase has in common with the training phrase it is nearest to: float ``(n,)``.

    See ``nearest``.
    """
    return nearest(phrases, training, transpose).share


def nearest(phrases: Phrases, training: Phrases, transpose: int = OCTAVE) -> Nearest:
    """The training phrase, one at least, that each phrase has the most notes in common with.

    Notes are in common when track, step and pitch of their beginning agree, in whichever transposition up or down by
    ``transpose`` semitones at most agrees best (drums stay); of equals the least transposition, then the first phrase.
    Both must be of one form.
    """
    mine, theirs = _begins(phrases), _begins(training)
    steps, pitches = mine.shape[2:]
    counts, their_counts = mine.flatten(1).sum(1).float(), theirs.flatten(1).sum(1).float()
    row, track, step, pitch = mine.nonzero(as_tuple=True)
    starts = torch.searchsorted(row, torch.arange(len(mine)))
    moved = (~phrases.drums)[track]
    best = torch.zeros(len(mine))
    index, shifts = (torch.zeros(len(mine), dtype=torch.int64) for _ in range(2))
    for columns in torch.arange(len(theirs)).split(_COLUMNS):
        # One row a cell, and one of zeros for notes that a transposition moves off the grid.
        table = F.pad(theirs[columns].flatten(1).T.float(), (0, 0, 0, 1))
        for shift in sorted(range(-transpose, transpose + 1), key=abs):
            to = pitch + shift * moved
            cell = ((track * steps + step) * pitches + to).masked_fill((to < 0) | (to >= pitches), len(table) - 1)
            common = F.embedding_bag(cell, table, starts, mode="sum")
            total = counts.unsqueeze(1) + their_counts[columns]
            share, place = (2 * common / total.clamp(min=1)).max(1)
            better = share > best
            best = torch.where(better, share, best)
            index = torch.where(better, columns[place], index)
            shifts = torch.where(better, shift, shifts)
    return Nearest(best, index, shifts)


def known_bars(phrases: Phrases, training: Phrases) -> float:
    """The share of bars, all tracks, that stand in the training set, cell for cell: 0 to 1; silent bars aside.

    0 when all bars are silent. Both must be of one form and encoding.
    """
    known = set(_bars(training))
    bars = _bars(phrases)
    return sum(bar in known for bar in bars) / len(bars) if bars else 0.0


def _begins(phrases: Phrases) -> Tensor:
    """Where notes begin: ``(n, tracks, steps of the phrase, pitches)``."""
    return note_begins(phrases.cells, phrases.onsets, phrases.drums).flatten(2, 3)


def _bars(phrases: Phrases) -> list[bytes]:
    import numpy as np

    planes = phrases.cells if phrases.onsets is None else torch.cat([phrases.cells, phrases.onsets], dim=1)
    bars = planes.transpose(1, 2).flatten(0, 1).flatten(1)
    packed = np.packbits(bars[bars.any(1)].cpu().numpy(), axis=1)
    return [bar.tobytes() for bar in packed]
