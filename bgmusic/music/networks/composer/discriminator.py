"""The composer's discriminator: a network over beats and pitches that treats all pitches alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.gan.layers import LeakyReLU
from bgmusic.music.networks.checks import check_shape
from bgmusic.music.networks.composer.mixer import Mix, Pointwise
from bgmusic.music.networks.pianoroll_config import ComposerConfig
from bgmusic.music.rolls.shape import RollShape


class ResidualBlock(nn.Module):
    """Mix along beats and pitches, join channels, leaky ReLU; no normalization (as in R3GAN, arXiv 2501.05441)."""

    def __init__(self, channels: int, beats: int, pitches: int) -> None:
        super().__init__()
        self.mix = Mix(channels, beats, pitches)
        self.up, self.down = Pointwise(channels, 2 * channels), Pointwise(2 * channels, channels, scale=0.5)
        self.leak = LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to ``(channels, batch, beats, pitches)``."""
        change: Tensor = self.down(self.leak(self.up(self.mix(x))))
        return x + change


class ComposerDiscriminator(nn.Module):
    """Score phrases ``(batch, channels, bars, steps, pitches)``: ``(batch, 1)``.

    Features are pooled over pitches (mean and maximum), so chords are scored alike in every key; the scores of beats
    are averaged.
    """

    def __init__(self, settings: ComposerConfig, shape: RollShape) -> None:
        super().__init__()
        self.shape = shape
        channels, beats = settings.judge_channels, shape.bars * shape.beats
        self.first = Pointwise(shape.channels * shape.unit, channels)
        self.pitch = nn.Parameter(torch.randn(channels, 1, 1, shape.pitches) * 0.1)
        self.beat = nn.Parameter(torch.randn(channels, 1, shape.beats, 1) * 0.1)
        self.blocks = nn.Sequential(
            *(ResidualBlock(channels, beats, shape.pitches) for _ in range(settings.judge_layers))
        )
        self.leak = LeakyReLU()
        self.verdict = nn.Sequential(Pointwise(2 * channels, 4 * channels), LeakyReLU(), Pointwise(4 * channels, 1))

    def forward(self, phrases: Tensor) -> Tensor:
        """Return scores: real numbers ``(batch, 1)``.

        Raises:
            TypeError, ValueError: the phrases have another type or shape.

        """
        check_shape(phrases, self.shape)
        shape, batch = self.shape, len(phrases)
        beats = shape.bars * shape.beats
        cells = phrases.reshape(batch, shape.channels, beats, shape.unit, shape.pitches).permute(1, 3, 0, 2, 4)
        x = self.first(cells.reshape(-1, batch, beats, shape.pitches))
        x = x + (self.pitch + self.beat.repeat(1, 1, shape.bars, 1)).to(x.dtype)
        x = self.leak(self.blocks(x))
        pooled = torch.cat([x.mean(3), x.amax(3)])
        scores: Tensor = self.verdict(pooled).mean(2)
        return scores.squeeze(0).unsqueeze(1)
