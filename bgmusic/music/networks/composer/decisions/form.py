"""Decide the form of a phrase: which bars of a track are repeated in it.

The form is decided before any note ("A A B A"). It is drawn from the forms of real phrases, all tracks at once, so that
drums can repeat throughout while the melody goes on. A form holds which bars are equal, never their notes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FORMS = 512  # forms of real phrases that a composer remembers


@dataclass(frozen=True)
class Form:
    """For each bar, the number of the bar that it repeats: int64 ``(batch, tracks, bars)``."""

    repeats: Tensor

    def repeat(self, values: Tensor) -> Tensor:
        """Copy values ``(batch, tracks, bars * n, ...)`` from each repeated bar to its repetitions."""
        bars = values.unflatten(2, (self.repeats.shape[2], -1))
        place = self.repeats.view(*self.repeats.shape, *(1,) * (bars.dim() - 3))
        repeated: Tensor = bars.gather(2, place.expand_as(bars)).flatten(2, 3)
        return repeated


def form_of(bars: Tensor) -> Tensor:
    """Return the form of bars ``(batch, tracks, bars, ...)``: for each bar, the number of the first equal one.

    Returns:
        int64 ``(batch, tracks, bars)``.

    """
    return _equal_bars(bars).to(torch.uint8).argmax(3)


def _equal_bars(bars: Tensor) -> Tensor:
    """Return which bars are equal: boolean ``(batch, tracks, bars, bars)``."""
    bars = bars.flatten(3)
    return torch.stack([(bars == bar.unsqueeze(2)).all(3) for bar in bars.unbind(2)], 3)


def remember_forms(forms: Tensor, seen: Tensor, bars: Tensor) -> None:
    """Write the forms of real phrases over the oldest ones, in place.

    Args:
        forms: the memory, int64 ``(FORMS, tracks, bars)``.
        seen: number of phrases so far, int64 without dimensions.
        bars: content of the phrases' bars, ``(batch, tracks, bars, ...)``.

    """
    new = form_of(bars)[:FORMS]
    forms[(seen + torch.arange(len(new), device=new.device)) % FORMS] = new
    seen += len(new)


def draw_form(forms: Tensor, seen: Tensor, bars: Tensor, free: Tensor, noise: Tensor) -> Form:
    """Draw a form for each phrase that agrees with its given bars; a bar that is given in part is not repeated.

    Args:
        forms: the memory, int64 ``(FORMS, tracks, bars)``.
        seen: number of phrases it has seen; none: every bar is new.
        bars: content of the phrases' bars, ``(batch, tracks, bars, ...)``.
        free: units to compose, boolean ``(batch, tracks, bars * beats)``.
        noise: uniform in [0, 1), ``(batch,)``.

    """
    free = free.unflatten(2, (forms.shape[2], -1))
    repeats = choose_form(forms[: int(seen.clamp(1, FORMS))], bars, ~free.any(3), noise)
    whole = free.all(3) | ~free.any(3)
    itself = torch.arange(forms.shape[2], device=repeats.device)
    return Form(torch.where(whole & whole.gather(2, repeats), repeats, itself))


def choose_form(forms: Tensor, bars: Tensor, known: Tensor, noise: Tensor) -> Tensor:
    """Draw a form for each phrase from those that agree best with its known bars.

    Args:
        forms: int64 ``(number, tracks, bars)``, at least one.
        bars: content of the phrases' bars, ``(batch, tracks, bars, ...)``.
        known: given bars, boolean ``(batch, tracks, bars)``.
        noise: uniform in [0, 1), ``(batch,)``.

    Returns:
        For each bar the number of the one it repeats, int64 ``(batch, tracks, bars)``: a known one if any is equal,
        else the first. A known bar repeats itself.

    """
    differences = torch.zeros(len(bars), len(forms), device=forms.device)
    for track in range(forms.shape[1]):  # one by one, since the pairs of many bars take much memory
        given = known[:, track]
        pairs = (given.unsqueeze(2) & given.unsqueeze(1)).flatten(1).float()
        real, drawn = (_equal_bars(x[:, track : track + 1]).flatten(1).float() for x in (bars, forms.unsqueeze(3)))
        differences += (pairs * real) @ (1 - drawn).T + (pairs * (1 - real)) @ drawn.T
    best = differences <= differences.amin(1, keepdim=True)
    place = (noise * best.sum(1)).long().unsqueeze(1)  # among the best
    form = forms[(best.cumsum(1) > place).to(torch.uint8).argmax(1)]
    equal = form.unsqueeze(3) == form.unsqueeze(2)  # (batch, tracks, bars, bars)
    first = (equal.to(torch.uint8) * (1 + known.to(torch.uint8)).unsqueeze(2)).argmax(3)  # known bars count more
    return torch.where(known, torch.arange(form.shape[2], device=form.device), first)
