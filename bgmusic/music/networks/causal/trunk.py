"""Read the steps so far: a causal transformer over steps."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.gan.layers import Dropout
from bgmusic.music.networks.causal.attention import Layer, rotations
from bgmusic.music.networks.causal.context import StepEmbedding
from bgmusic.music.networks.causal.returns import count_decisions
from bgmusic.music.networks.causal.steps import MOTIONS, interval_of
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.rolls.shape import RollShape


class Trunk(nn.Module):
    """Map the steps before each step, and what is known, to a state of each step.

    Args:
        shape: of the phrases.
        notes: embedding of the cells and onsets of a step.
        settings: sizes of the network.

    """

    def __init__(self, shape: RollShape, notes: StepEmbedding, settings: CausalConfig) -> None:
        super().__init__()
        self.shape, self.notes, self.heads, self.width = shape, notes, settings.heads, settings.width
        tracks, rows, width = len(shape.track_set), notes.rows, settings.width
        returns = count_decisions(settings, shape.drums)
        pitched = [track for track in range(tracks) if not shape.drums[track]]
        self.pairs = list(combinations(pitched, 2))
        self.motions = nn.Embedding(tracks * MOTIONS, width)
        self.intervals = nn.Embedding(max(1, len(self.pairs)) * (2 * rows + 1), width)
        self.returned = nn.Embedding(tracks * (returns + 1), width) if returns else None
        for table in (self.motions, self.intervals, self.returned):
            if table is not None:
                nn.init.normal_(table.weight, std=0.1 / math.sqrt(tracks))
        self.begin = nn.Parameter(torch.zeros(width))
        self.place = nn.Parameter(torch.randn(shape.steps, width) * 0.1)
        self.bar = nn.Parameter(torch.randn(shape.bars, 1, width) * 0.1)
        # Of one bar ago, two bars ago and so on: attention alone finds repetition late.
        echoes = [nn.Linear(width, width, bias=False) for _ in range(min(settings.bars_ago, shape.bars - 1))]
        for echo in echoes:
            nn.init.normal_(echo.weight, std=0.3 / math.sqrt(width))
        self.echoes = nn.ModuleList(echoes)
        layers = (Layer(width, settings.heads, settings.dropout, causal=True) for _ in range(settings.layers))
        self.layers = nn.ModuleList(layers)
        self.norm, self.dropout = nn.LayerNorm(width), Dropout(settings.dropout / 3)

    def embed(
        self, cells: Tensor, onsets: Tensor | None, line: Tensor, motion: Tensor, returned: Tensor | None = None
    ) -> Tensor:
        """Embed what happens in steps.

        Args:
            cells: float ``(..., tracks, pitches)``.
            onsets: of the same shape, or None.
            line: rows ``(..., tracks)``, -1 for none.
            motion: motion classes ``(..., tracks)``.
            returned: how beats return, int64 ``(..., tracks)``, see :class:`.returns.Returns`.

        Returns:
            ``(..., width)``.

        """
        device = line.device
        x = self.notes(cells, onsets)
        x = x + self.motions(motion + torch.arange(motion.shape[-1], device=device) * MOTIONS).sum(-2)
        if self.pairs:
            first, second = torch.tensor(self.pairs, device=device).T
            classes = interval_of(line[..., first], line[..., second], self.notes.rows)
            places = torch.arange(len(self.pairs), device=device) * (2 * self.notes.rows + 1)
            x = x + self.intervals(classes + places).sum(-2)
        if self.returned is not None and returned is not None:
            tracks = returned.shape[-1]
            size = len(self.returned.weight) // tracks
            x = x + self.returned(returned + torch.arange(tracks, device=device) * size).sum(-2)
        embedded: Tensor = x
        return embedded

    def forward(self, embedded: Tensor, context: Tensor) -> Tensor:
        """Return the states of all steps ``(batch, steps, width)``.

        Args:
            embedded: all steps, see :meth:`embed`; each state sees those before it.
            context: what is known of each step, ``(batch, steps, width)``.

        """
        before = torch.cat([self.begin.expand(len(embedded), 1, -1).to(embedded.dtype), embedded[:, :-1]], 1)
        x = self.dropout(before) + context + (self.bar + self.place).flatten(0, 1)
        for bars, echo in enumerate(self.echoes, 1):
            ago = bars * self.shape.steps
            x = x + F.pad(self.dropout(echo(embedded[:, :-ago])), (0, 0, ago, 0))
        angles = rotations(x.shape[1], self.width // self.heads, x.device)
        for layer in self.layers:
            x = layer(x, angles)
        states: Tensor = self.norm(x)
        return states
