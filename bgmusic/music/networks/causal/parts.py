"""The parts of a causal composer that its sampling and its losses need."""

from __future__ import annotations

from dataclasses import dataclass

from bgmusic.music.networks.causal.decoder import TrackDecoder
from bgmusic.music.networks.causal.trunk import Trunk
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import BinaryNeuron


@dataclass(frozen=True)
class Parts:
    """Parts of a composer.

    Attributes:
        shape: of its phrases.
        settings: its config.
        trunk: reads the steps so far.
        decoders: decide for each track.
        limits: the most notes that each track plays at once.
        neuron: makes the decisions.
        restrikes: whether the encoding shows that a note starts where the same one sounded.

    """

    shape: RollShape
    settings: CausalConfig
    trunk: Trunk
    decoders: list[TrackDecoder]
    limits: list[int]
    neuron: BinaryNeuron
    restrikes: bool
