"""Limits to what a composer may decide: pitches that may begin, and steps at which a track must sound."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bgmusic.music.networks.composer.decisions.base import IMPOSSIBLE, Tracks
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

    def tracks(self, tracks: Tracks) -> Tracks:
        """Return the facts about the tracks, with the pitches that may begin."""
        return replace(tracks, playable=tracks.playable[:, None] & self.pitches)

    def logits(self, logits: Logits) -> Logits:
        """Return logits with which the tracks sound where they must; a composer without rests always sounds."""
        if "rest" not in logits:
            return logits
        return {**logits, "rest": logits["rest"].masked_fill(self.sounding, IMPOSSIBLE)}
