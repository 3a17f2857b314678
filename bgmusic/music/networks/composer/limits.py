"""Limits to what a composer may decide: pitches that may begin, and steps at which a track must sound."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bgmusic.music.networks.composer.decisions.base import IMPOSSIBLE, Tracks
from bgmusic.music.networks.composer.decisions.form import Form
from bgmusic.music.networks.composer.features import Logits
from bgmusic.music.rolls.shape import RollShape


@dataclass(frozen=True)
class Limits:
    """Limits of phrases.

    Attributes:
        pitches: pitches that a track may begin at each step, boolean ``(batch, tracks, bars * steps, pitches)``; at
            least one within its range.
        sounding: steps at which a track may not rest, boolean ``(batch, tracks, bars * steps)``.

    """

    pitches: Tensor
    sounding: Tensor

    def check(self, batch: int, shape: RollShape) -> None:
        """Check types and shapes.

        Raises:
            TypeError: a tensor is not boolean.
            ValueError: a tensor has another shape.

        """
        steps = batch, len(shape.track_set), shape.bars * shape.steps
        for name, tensor, expected in (
            ("pitches", self.pitches, (*steps, shape.pitches)),
            ("sounding steps", self.sounding, steps),
        ):
            if tensor.dtype != torch.bool:
                raise TypeError(f"{name} must be boolean, not {tensor.dtype}")
            if tensor.shape != expected:
                raise ValueError(f"{name} have shape {expected}, not {tuple(tensor.shape)}")

    def form(self, form: Form | None) -> Form | None:
        """Return a form in which only bars of the same limits repeat each other."""
        if form is None:
            return None
        bars = form.repeats.shape[2]
        bits = [self.pitches.unflatten(2, (bars, -1)).flatten(3), self.sounding.unflatten(2, (bars, -1))]
        of_bars = torch.cat(bits, 3)
        of_repeated = of_bars.gather(2, form.repeats.unsqueeze(3).expand_as(of_bars))
        itself = torch.arange(bars, device=form.repeats.device)
        return Form(torch.where((of_bars == of_repeated).all(3), form.repeats, itself))

    def tracks(self, tracks: Tracks) -> Tracks:
        """Return the facts about the tracks, with the pitches that may begin."""
        return replace(tracks, playable=tracks.playable[:, None] & self.pitches)

    def logits(self, logits: Logits) -> Logits:
        """Return logits with which the tracks sound where they must; a composer without rests always sounds."""
        if "rest" not in logits:
            return logits
        return {**logits, "rest": logits["rest"].masked_fill(self.sounding, IMPOSSIBLE)}
