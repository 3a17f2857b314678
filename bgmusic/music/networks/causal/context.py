"""Encode what is known of a phrase before it is composed: given units, and a plan; both are seen from every step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.music.networks.causal.attention import Layer, rotations
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.keys import MARGIN
from bgmusic.music.rolls.shape import RollShape


class StepEmbedding(nn.Module):
    """Sum learned vectors of the cells and onsets of a step: ``(..., tracks, rows)`` to ``(..., width)``."""

    def __init__(self, shape: RollShape, width: int) -> None:
        super().__init__()
        self.rows = shape.pitches + 2 * MARGIN
        cells = len(shape.track_set) * self.rows
        self.cells = nn.Linear(cells, width, bias=False)
        self.onsets = nn.Linear(cells, width, bias=False) if shape.planes > 1 else None
        for plane in (self.cells, self.onsets):
            if plane is not None:
                nn.init.normal_(plane.weight, std=0.1)

    def forward(self, cells: Tensor, onsets: Tensor | None) -> Tensor:
        """Embed steps; float ``(..., tracks, rows)`` each."""
        embedded: Tensor = self.cells(cells.flatten(-2))
        return embedded if onsets is None or self.onsets is None else embedded + self.onsets(onsets.flatten(-2))

    def notes_of(self, track: int, cells: Tensor) -> Tensor:
        """Embed the cells of one track: float ``(items, rows)`` to ``(items, width)``."""
        weight = self.cells.weight[:, track * self.rows : (track + 1) * self.rows]
        return nn.functional.linear(cells, weight)


class ContextEncoder(nn.Module):
    """Encode the known units and the plan of phrases by a transformer over beats that sees both ways.

    Args:
        shape: of the phrases.
        features: bits of a plan for each beat.
        settings: sizes of the network.

    """

    def __init__(self, shape: RollShape, features: int, settings: CausalConfig) -> None:
        super().__init__()
        width, heads, layers = settings.width, settings.heads, settings.encoder_layers
        self.shape, self.features = shape, features
        self.join = nn.Linear(shape.unit * width, width)
        self.units = nn.Linear(len(shape.track_set), width)
        self.plan = nn.Linear(features, width)
        self.beat = nn.Parameter(torch.randn(shape.beats, width) * 0.1)
        self.bar = nn.Parameter(torch.randn(shape.bars, 1, width) * 0.1)
        self.layers = nn.ModuleList(Layer(width, heads, settings.dropout, causal=False) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.size = width // heads

    def forward(self, known_steps: Tensor, units: Tensor, plan: Tensor | None) -> Tensor:
        """Return the context of each beat ``(batch, units, width)``.

        Args:
            known_steps: embedded known notes of each step ``(batch, steps, width)``.
            units: which units are known, boolean ``(batch, tracks, units)``.
            plan: bits of the plan, float ``(batch, units, features)``; None: nothing is planned.

        """
        x = self.join(known_steps.unflatten(1, (-1, self.shape.unit)).flatten(2))
        x = x + self.units(units.transpose(1, 2).to(x.dtype)) + (self.bar + self.beat).flatten(0, 1)
        # Nothing is planned, or nothing of a plan is known: that is the same.
        x = x + (self.plan.bias if plan is None else self.plan(plan))
        angles = rotations(x.shape[1], self.size, x.device)
        for layer in self.layers:
            x = layer(x, angles)
        normal: Tensor = self.norm(x)
        return normal
