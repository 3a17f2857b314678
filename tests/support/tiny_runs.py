"""Make runs of tiny networks with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from bgmusic.music.networks.build import make_generator
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork
from bgmusic.training.runs import Run, environment
from bgmusic.yaml import validate

SATB = RollShape(track_set="satb", resolution=4, bars=4, steps=16, encoding="onset")
BAND = RollShape(track_set="lpd-5", resolution=2, bars=2, steps=8, encoding="pause")
COMPOSER = {"kind": "composer", "channels": 8, "layers": 1, "stages": 3, "rests": False, "chords": 0, "form": False}
LINES = {"kind": "lines", "latent": 6, "channels": 12, "layers": 1}
MUSEGAN = {"kind": "musegan", "width": 0.05, "latent": 8, "refiner": 0}


def config_of(shape: RollShape, network: dict[str, Any], neuron: str = "sbn") -> PianorollConfig:
    return validate(PianorollConfig, {"network": network, "neuron": neuron, "rolls": shape}, "test")


def network_of(shape: RollShape, network: dict[str, Any] = COMPOSER, neuron: str = "sbn") -> SampleNetwork:
    torch.manual_seed(0)
    generator = make_generator(config_of(shape, network, neuron), shape)
    with torch.no_grad():  # the heads of a new network ignore their input
        for weight in generator.parameters():
            weight.add_(0.2 * torch.randn(weight.shape))
    return generator.eval()


def make_run(path: Path, shape: RollShape, network: dict[str, Any] = COMPOSER, neuron: str = "sbn") -> Path:
    config = config_of(shape, network, neuron)
    run = Run.create(path, "music", config, environment(0, "cpu", "test"))
    run.save_generator(network_of(shape, network, neuron), config)
    return path
