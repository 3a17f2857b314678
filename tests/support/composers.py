"""Make small composers of both kinds with random weights, random phrases, and noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bgmusic.music.networks.build import make_generator
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.yaml import validate

SATB = RollShape(track_set="satb", resolution=4, bars=2, steps=16, encoding="onset")
BAND = RollShape(track_set="lpd-5", resolution=2, bars=1, steps=8, encoding="pause")


_SMALL: dict[str, Any] = {"width": 16, "layers": 1, "encoder_layers": 1, "heads": 2, "hidden": 16, "dropout": 0.0}
PLAIN = {"rests": False, "chords": 0, "form": False}
DECISIONS = pytest.mark.parametrize(
    "decisions",
    [{}, {"rests": True}, {"rests": True, "chords": 3}, {"rests": True, "chords": 3, "form": True}],
    ids=["", "r", "rc", "rcf"],
)


def composer(shape: RollShape = SATB, **changes: Any) -> Composer:
    small = {"kind": "composer", "channels": 8, "layers": 2, "stages": 4, "judge_channels": 4, **PLAIN}
    network = {**small, "falling": 0.9, "least": 0.05, **changes}
    config = validate(PianorollConfig, {"network": network, "neuron": "sbn"}, "test")
    torch.manual_seed(0)
    generator = make_generator(config, shape)
    assert isinstance(generator, Composer)
    generator.most.fill_(3)  # the largest chords of the training data
    with torch.no_grad():  # the outputs of a new network hardly depend on its inputs
        for weight in generator.parameters():
            weight.add_(0.2 * torch.randn(weight.shape))
    return generator


def random_phrases(shape: RollShape, batch: int = 3, density: float = 0.03) -> Tensor:
    channels = len(shape.track_set) * (2 if shape.encoding == "onset" else 1)
    size = batch, channels, shape.bars, shape.steps, shape.track_set.pitches
    phrases = (torch.rand(size, generator=torch.Generator().manual_seed(1)) < density).float()
    if shape.encoding == "onset":
        cells, onsets = phrases.chunk(2, 1)
        phrases = torch.cat([torch.maximum(cells, onsets), onsets], 1)
    return phrases


def noise_for(generator: Composer, batch: int = 3, seed: int = 2) -> Tensor:
    return torch.randn(batch, generator.latent, generator=torch.Generator().manual_seed(seed))


def causal(shape: RollShape, strategy: str = "end-to-end", **changes: Any) -> CausalComposer:
    config = PianorollConfig(network=CausalConfig(**{**_SMALL, **changes}), strategy=strategy)
    torch.manual_seed(0)
    network = make_generator(config, shape)
    assert isinstance(network, CausalComposer)
    with torch.no_grad():  # untrained logits are nearly even; these differ
        for decoder in network.decoders:
            for weights in decoder.parameters():
                weights.add_(torch.randn(weights.shape) * 0.3)
        network.key.weight.copy_(network.key.weight[:1].expand_as(network.key.weight))  # keys come from whole phrases
    network.see(random_phrases(shape))
    return network.eval()
