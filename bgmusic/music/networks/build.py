"""Networks by their config."""

from __future__ import annotations

from torch import nn

from bgmusic.gan.roles import SampleNetwork
from bgmusic.music.config import ComposerConfig, PianorollConfig, RollShape
from bgmusic.music.networks.composer import Composer
from bgmusic.music.networks.discriminator import Discriminator
from bgmusic.music.networks.generator import Generator
from bgmusic.music.networks.judge import Judge


def make_generator(config: PianorollConfig, shape: RollShape) -> SampleNetwork:
    """The generator that a config describes, for rolls of a shape."""
    return Composer(config, shape) if isinstance(config.network, ComposerConfig) else Generator(config, shape)


def make_discriminator(config: PianorollConfig, shape: RollShape) -> nn.Module:
    """Its discriminator."""
    network = config.network
    return Judge(network, shape) if isinstance(network, ComposerConfig) else Discriminator(network, shape)
