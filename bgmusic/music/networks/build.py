"""Networks by their config."""

from __future__ import annotations

from torch import nn

from bgmusic.music.networks.composer.discriminator import Judge
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.networks.musegan.discriminator import Discriminator
from bgmusic.music.networks.musegan.generator import Generator
from bgmusic.music.networks.pianoroll_config import ComposerConfig, PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork


def make_generator(config: PianorollConfig, shape: RollShape) -> SampleNetwork:
    """The generator that a config describes, for rolls of a shape."""
    return Composer(config, shape) if isinstance(config.network, ComposerConfig) else Generator(config, shape)


def make_discriminator(config: PianorollConfig, shape: RollShape) -> nn.Module:
    """Its discriminator."""
    network = config.network
    return Judge(network, shape) if isinstance(network, ComposerConfig) else Discriminator(network, shape)
