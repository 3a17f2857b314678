"""Build the networks that a config describes."""

from __future__ import annotations

from torch import nn

from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.composer.discriminator import ComposerDiscriminator
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.networks.lines.discriminator import LinesDiscriminator
from bgmusic.music.networks.lines.generator import LinesGenerator
from bgmusic.music.networks.musegan.discriminator import Discriminator
from bgmusic.music.networks.musegan.generator import Generator
from bgmusic.music.networks.pianoroll_config import ComposerConfig, LinesConfig, PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork


def make_generator(config: PianorollConfig, shape: RollShape) -> SampleNetwork:
    """Build a config's generator for phrases of a shape."""
    if isinstance(config.network, CausalConfig):
        return CausalComposer(config, shape)
    if isinstance(config.network, LinesConfig):
        return LinesGenerator(config, shape)
    return Composer(config, shape) if isinstance(config.network, ComposerConfig) else Generator(config, shape)


def make_discriminator(config: PianorollConfig, shape: RollShape) -> nn.Module:
    """Build a config's discriminator for phrases of a shape."""
    network = config.network
    if isinstance(network, ComposerConfig):
        return ComposerDiscriminator(network, shape)
    if isinstance(network, LinesConfig):
        return LinesDiscriminator(network, shape)
    if isinstance(network, CausalConfig):
        raise TypeError("a causal composer has no discriminator of phrases; its critic is a part of it")
    return Discriminator(network, shape)
