"""How far phrases agree with earlier ones, so far: as numbers, which have learned weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.causal.recalled import Recalled
from bgmusic.music.networks.causal.steps import Steps
from bgmusic.music.rolls.shape import RollShape

_OF_BEAT, _OF_MORE = 4, 5  # levels: nothing to compare, nothing equal, some (two levels in more than a beat), all
_FITS = 3
SIZES = (_OF_BEAT * _OF_MORE, _OF_MORE, _OF_BEAT * _OF_MORE, _OF_MORE, _FITS)
"""Numbers of each kind: beat and bar before, and phrase so far, of the track; the same of all tracks; the chord."""


def compare(started: Tensor, earlier: Tensor, known: Tensor) -> Tensor:
    """Return where the notes that start can be compared, and where they are equal: int64 ``(..., tracks, phrases, 2)``.

    Args:
        started: boolean ``(..., tracks, rows)``.
        earlier: of the same place, boolean ``(..., tracks, phrases, rows)``.
        known: boolean ``(..., phrases)``.

    """
    now = started.unsqueeze(-2)
    present = (now | earlier).any(-1) & known.unsqueeze(-2)
    return torch.stack([present, present & (now == earlier).all(-1)], -1).long()


def agreement(beat: Tensor, bar: Tensor, phrase: Tensor, fits: Tensor) -> Tensor:
    """Number how far tracks agree with earlier phrases: int64 ``(..., tracks, phrases, len(SIZES))``.

    Args:
        beat: sums of :func:`compare` over the beat before, ``(..., tracks, phrases, 2)``.
        bar: sums over the bar before.
        phrase: sums over all steps before.
        fits: see :class:`.recalled.Recalled`.

    """
    codes = []
    for of_beat, of_bar, of_phrase in ((beat, bar, phrase), (beat.sum(-3), bar.sum(-3), phrase.sum(-3))):
        present, equal = of_beat.unbind(-1)
        beats = torch.where(present > 0, 1 + (equal > 0).long() + (equal == present), 0)
        codes += [beats * _OF_MORE + _level(of_bar), _level(of_phrase)]
    codes[2:] = [code.unsqueeze(-2).expand_as(codes[0]) for code in codes[2:]]
    return torch.stack([*codes, fits], -1)


def places_of(codes: Tensor) -> Tensor:
    """Number what :func:`agreement` returns over all phrases: int64 ``(..., tracks, phrases * len(SIZES))``."""
    kinds = torch.tensor([0, *SIZES[:-1]], device=codes.device).cumsum(0)
    phrases = torch.arange(codes.shape[-2], device=codes.device)[:, None] * sum(SIZES)
    return (codes + kinds + phrases).flatten(-2)


def _level(sums: Tensor) -> Tensor:
    present, equal = sums.unbind(-1)
    return torch.where(present > 0, 1 + (equal > 0).long() + (2 * equal >= present) + (equal == present), 0)


def agreements(steps: Steps, earlier: Recalled, shape: RollShape) -> Tensor:
    """Return :func:`agreement` at all steps of phrases: int64 ``(batch, steps, tracks, phrases, len(SIZES))``."""
    sums = compare(steps.started, earlier.started, earlier.known).cumsum(1)
    sums = F.pad(sums, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1]  # of the steps before each

    def last(number: int) -> Tensor:
        return sums - F.pad(sums, (0, 0, 0, 0, 0, 0, number, 0))[:, : sums.shape[1]]

    return agreement(last(shape.unit), last(shape.steps), sums, earlier.fits)
