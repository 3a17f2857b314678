"""The planner's discriminator: plans, with their changes from beat to beat, to scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.music.networks.planner.config import PlannerConfig
from bgmusic.music.networks.planner.layers import KeyedBlock
from bgmusic.music.networks.planner.network import layout_of


class PlanDiscriminator(nn.Module):
    """Map samples ``(batch, bits + places)`` to scores ``(batch, 1)``.

    It sees which harmony bits change from beat to beat, as features of their own.
    """

    def __init__(self, config: PlannerConfig) -> None:
        super().__init__()
        self.layout = layout_of(config.plans)
        network, beats = config.network, self.layout.beats
        keyed = 2 * (2 * beats - 1)
        plain = self.layout.free_of_key + sum(self.layout.places.values()) + 2 * (beats - 1)
        self.blocks = nn.ModuleList()
        for _ in range(network.judge_layers):
            self.blocks.append(KeyedBlock(keyed, plain, network.judge_keyed, network.judge_plain))
            keyed, plain = network.judge_keyed, network.judge_plain
        self.score = nn.Linear(keyed + plain, 1)

    def forward(self, samples: Tensor) -> Tensor:
        """Map samples ``(batch, bits + places)`` to scores ``(batch, 1)``."""
        bits, places = samples.split([self.layout.bits, samples.shape[1] - self.layout.bits], 1)
        parts = self.layout.split(bits)
        harmony = torch.stack([parts.chord, parts.bass], -1)
        changes = harmony.diff(dim=1).square()
        keyed = torch.cat([harmony.transpose(1, 2).flatten(2), changes.transpose(1, 2).flatten(2)], 2).transpose(1, 2)
        # Whether anything changes, which no sum over pitch classes tells exactly.
        changed = changes.mean(2).flatten(1)
        others = [part.flatten(1) for part in (parts.instruments, parts.activity, parts.form)]
        plain = torch.cat([*others, places, changed], 1)
        for block in self.blocks:
            keyed, plain = block(keyed, plain)
        scores: Tensor = self.score(torch.cat([keyed.mean(2), plain], 1))
        return scores
