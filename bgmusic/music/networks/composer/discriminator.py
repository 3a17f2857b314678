"""The composer's discriminator: a network over beats and pitches that treats all pitches alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.gan.layers import LeakyReLU
from bgmusic.music.networks.composer.mixer import Mix, Pointwise
from bgmusic.music.networks.pianoroll_config import ComposerConfig
from bgmusic.music.networks.sizes import Plan
from bgmusic.music.rolls.shape import RollShape


class JudgeBlock(nn.Module):
    """A residual layer without normalisation (R3GAN, arXiv 2501.05441, has none): mix, join channels, leak."""

    def __init__(self, channels: int, beats: int, pitches: int) -> None:
        super().__init__()
        self.mix = Mix(channels, beats, pitches)
        self.up, self.down = Pointwise(channels, 2 * channels), Pointwise(2 * channels, channels, scale=0.5)
        self.leak = LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        """``(channels, batch, beats, pitches)`` to the same."""
        deeper: Tensor = self.down(self.leak(self.up(self.mix(x))))
        return x + deeper


class Judge(nn.Module):
    """From phrases ``(batch, channels, bars, steps, pitches)`` to one score each, ``(batch, 1)``.

    What it finds at each pitch is summed, so that its verdict on a beat hears chords in every key alike; the beats'
    verdicts are summed too.
    """

    def __init__(self, settings: ComposerConfig, shape: RollShape) -> None:
        super().__init__()
        self.plan = plan = Plan.of(shape)
        self.unit = plan.parts * plan.ticks
        channels, beats = settings.judge_channels, plan.bars * plan.beats
        self.first = Pointwise(plan.channels * self.unit, channels)
        self.pitch = nn.Parameter(torch.randn(channels, 1, 1, plan.pitches) * 0.1)
        self.beat = nn.Parameter(torch.randn(channels, 1, plan.beats, 1) * 0.1)
        self.blocks = nn.Sequential(*(JudgeBlock(channels, beats, plan.pitches) for _ in range(settings.judge_layers)))
        self.leak = LeakyReLU()
        self.verdict = nn.Sequential(Pointwise(2 * channels, 4 * channels), LeakyReLU(), Pointwise(4 * channels, 1))

    def forward(self, phrases: Tensor) -> Tensor:
        """Scores: real numbers ``(batch, 1)``."""
        plan, batch = self.plan, len(phrases)
        beats = plan.bars * plan.beats
        cells = phrases.reshape(batch, plan.channels, beats, self.unit, plan.pitches).permute(1, 3, 0, 2, 4)
        x = self.first(cells.reshape(-1, batch, beats, plan.pitches))
        x = x + (self.pitch + self.beat.repeat(1, 1, plan.bars, 1)).to(x.dtype)
        x = self.leak(self.blocks(x))
        heard = torch.cat([x.mean(3), x.amax(3)])
        scores: Tensor = self.verdict(heard).mean(2)
        return scores.squeeze(0).unsqueeze(1)
