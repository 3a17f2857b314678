"""The form of a phrase: which of a track's bars come back in it.

Decided before any note, as composers do ("A A B A"). Forms are drawn from those of real phrases, all tracks at once, so
that drums may repeat throughout while the melody goes on. They hold which bars are alike, never what is in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

KEPT = 512  # forms of real phrases


def form_of(phrases: Tensor) -> Tensor:
    """The form of tracks' bars ``(batch, tracks, bars, ...)``: of each bar the first one that is like it.

    Returns:
        Numbers of bars, int64 ``(batch, tracks, bars)``.

    """
    return _alike(phrases).to(torch.uint8).argmax(3)


def _alike(phrases: Tensor) -> Tensor:
    """Which bars are alike: booleans ``(batch, tracks, bars, bars)``."""
    bars = phrases.flatten(3)
    return torch.stack([(bars == bar.unsqueeze(2)).all(3) for bar in bars.unbind(2)], 3)


def choose(forms: Tensor, phrases: Tensor, known: Tensor, chance: Tensor) -> Tensor:
    """Draw a form for each phrase, from those that agree best with the bars which are known.

    Args:
        forms: ``(number, tracks, bars)``, one at least.
        phrases: ``(batch, tracks, bars, ...)``.
        known: ``(batch, tracks, bars)``, bars that are given.
        chance: numbers in [0, 1), ``(batch,)``.

    Returns:
        Of each bar the one that it is like: int64 ``(batch, tracks, bars)``; a known one, if there is one like it,
        or else the first.

    """
    differences = torch.zeros(len(phrases), len(forms), device=forms.device)
    for track in range(forms.shape[1]):  # one after the other: of many bars there are very many pairs
        given = known[:, track]
        both = (given.unsqueeze(2) & given.unsqueeze(1)).flatten(1).float()
        theirs, ours = (_alike(x[:, track : track + 1]).flatten(1).float() for x in (phrases, forms.unsqueeze(3)))
        differences += (both * theirs) @ (1 - ours).T + (both * (1 - theirs)) @ ours.T
    best = differences <= differences.amin(1, keepdim=True)
    place = (chance * best.sum(1)).long().unsqueeze(1)  # among the best
    form = forms[(best.cumsum(1) > place).to(torch.uint8).argmax(1)]
    like = form.unsqueeze(3) == form.unsqueeze(2)  # (batch, tracks, bars, bars)
    # Of those that a bar is like the known ones come first; what is known itself is as it is.
    first = (like.to(torch.uint8) * (1 + known.to(torch.uint8)).unsqueeze(2)).argmax(3)
    return torch.where(known, torch.arange(form.shape[2], device=form.device), first)


@dataclass(frozen=True)
class Form:
    """Which bar each bar of some phrases is like: int64 ``(batch, tracks, bars)``."""

    like: Tensor

    def repeat(self, values: Tensor) -> Tensor:
        """Let bars ``(batch, tracks, bars * n, ...)`` be as those that they are like."""
        bars = values.unflatten(2, (self.like.shape[2], -1))
        place = self.like.view(*self.like.shape, *(1,) * (bars.dim() - 3))
        repeated: Tensor = bars.gather(2, place.expand_as(bars)).flatten(2, 3)
        return repeated
