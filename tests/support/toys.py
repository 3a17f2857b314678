"""A game small enough to work out by hand: six bits from four numbers of noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bgmusic.gan.game import Game
from bgmusic.gan.game_config import GameConfig
from bgmusic.neurons import NEURONS
from bgmusic.training.bits import BitSource
from bgmusic.training.protocols import SampleNetwork

BITS = 6


class ToyGenerator(SampleNetwork):
    def __init__(self, neuron: str = "dbn") -> None:
        super().__init__()
        self.latent = 4
        self.body = nn.Linear(4, BITS)
        self.neuron = NEURONS[neuron]()
        self.calls = 0

    def forward(self, noise: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.calls += 1
        return self.neuron(self.body(noise), generator)


class ToyDiscriminator(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers) if layers else nn.Sequential(nn.Linear(BITS, 5), nn.Tanh(), nn.Linear(5, 1))
        self.sizes: list[int] = []

    def forward(self, samples: Tensor) -> Tensor:
        self.sizes.append(len(samples))
        return self.body(samples)


class CountingSource(BitSource):
    def __init__(self) -> None:
        rows = np.random.default_rng(0).integers(0, 2, (40, BITS), dtype=np.uint8)
        super().__init__(np.packbits(rows, axis=1), (BITS,))
        self.batches = 0

    def batch(self, size: int, generator: torch.Generator | None = None) -> Tensor:
        self.batches += 1
        return super().batch(size, generator)


def toy_game(neuron: str = "dbn", discriminator: nn.Module | None = None, seed: int = 0, **rules: Any) -> Game:
    """A new game; ``rules`` are those of :class:`GameConfig`."""
    torch.manual_seed(1)
    config = GameConfig.model_validate({"steps": 12, "batch": 8, "log_every": 5, **rules})
    return Game(ToyGenerator(neuron), discriminator or ToyDiscriminator(), CountingSource(), config, seed)


def weights_of(game: Game) -> list[Tensor]:
    """Copies of all that a game has learned."""
    networks = [game.generator, game.discriminator, *([game.average] if game.average else [])]
    return [value.clone() for network in networks for value in network.state_dict().values()]
