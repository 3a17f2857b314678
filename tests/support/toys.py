"""A game small enough to work out by hand: samples of six bits from four noise values."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bgmusic.gan.game import Game
from bgmusic.gan.game_config import GameConfig
from bgmusic.neurons import NEURONS, SBN
from bgmusic.training.bits import BitSource
from bgmusic.training.loop import Callback, Training
from bgmusic.training.protocols import SampleNetwork

BITS = 6
R1R2 = {"kind": "r1r2", "weight": 1.0}
WGAN_GP = {"kind": "wgan-gp", "weight": 10.0}
RULES: dict[str, dict[str, Any]] = {
    "gan": {"objective": "gan"},
    "wgan": {"objective": "wgan", "clip": 0.01, "g_optimizer": {"kind": "rmsprop"}, "d_optimizer": {"kind": "rmsprop"}},
    "wgan-gp": {"objective": "wgan", "penalty": WGAN_GP},
    "hinge": {"objective": "hinge", "penalty": R1R2},
    "relativistic": {"objective": "relativistic", "penalty": R1R2},
    "reused batch": {"objective": "wgan", "penalty": WGAN_GP, "d_updates": 3, "reuse_batch": True},
    "lazy, averaged, warmed up, annealed": {
        "objective": "relativistic",
        "penalty": {"kind": "r1r2", "weight": 4.0, "final_weight": 0.1, "every": 3},
        "average": {"horizon": 10, "ramp": 0.5},
        "warmup": {"updates": 4, "first": 2, "every": 5},
        "slope": {"growth": 1.1, "every": 2},
        "g_optimizer": {"rate": 0.01, "betas": [0.0, 0.99], "schedule": "cosine"},
        "accumulate": 2,
    },
}  # configs of games, by name


class ToyGenerator(SampleNetwork):
    def __init__(self, neuron: str = "dbn") -> None:
        super().__init__()
        self.latent = 4
        self.body = nn.Linear(4, BITS)
        self.neuron = NEURONS[neuron]()
        self.calls = 0

    @property
    def threshold_shape(self) -> tuple[int, ...] | None:
        return (BITS,) if isinstance(self.neuron, SBN) else None

    def forward(
        self, noise: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        self.calls += 1
        return self.neuron(self.body(noise), generator, thresholds)


class FixedNoiseGenerator(ToyGenerator):
    """Draw no noise: use the rows of ``noise`` in turn, so that the samples of an update are known."""

    def __init__(self, noise: Tensor, neuron: str = "dbn") -> None:
        super().__init__(neuron)
        self.latent = 0
        self.noise, self.position = noise, 0

    def forward(
        self, noise: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        rows = (torch.arange(len(noise)) + self.position) % len(self.noise)
        self.position += len(noise)
        return super().forward(self.noise[rows], generator, thresholds)


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


class FixedSource(BitSource):
    """Draw nothing: serve the rows of ``real`` in turn."""

    def __init__(self, real: Tensor) -> None:
        self.real, self.position = real, 0

    def batch(self, size: int, generator: torch.Generator | None = None) -> Tensor:
        rows = (torch.arange(size) + self.position) % len(self.real)
        self.position += size
        return self.real[rows]


def toy_game(neuron: str = "dbn", discriminator: nn.Module | None = None, seed: int = 0, **rules: Any) -> Game:
    """Make a game; ``rules`` are fields of :class:`GameConfig`."""
    torch.manual_seed(1)
    config = GameConfig.model_validate({"steps": 12, "batch": 8, "log_every": 5, **rules})
    return Game(ToyGenerator(neuron), discriminator or ToyDiscriminator(), CountingSource(), config, seed)


def fixed_batch() -> tuple[Tensor, Tensor]:
    """Return the real samples ``(8, bits)`` and the noise ``(8, 4)`` of :func:`fixed_game`."""
    generator = torch.Generator().manual_seed(5)
    return CountingSource().batch(8, generator), torch.randn(8, 4, generator=generator)


def fixed_game(discriminator: nn.Module | None = None, **rules: Any) -> Game:
    """Make a game whose every update uses :func:`fixed_batch`."""
    torch.manual_seed(1)
    config = GameConfig.model_validate({"steps": 12, "batch": 8, "log_every": 5, **rules})
    real, noise = fixed_batch()
    return Game(FixedNoiseGenerator(noise), discriminator or ToyDiscriminator(), FixedSource(real), config)


def weights_of(game: Game) -> list[Tensor]:
    """Copy the weights of all networks of a game."""
    networks = [game.generator, game.discriminator, *([game.average] if game.average else [])]
    return [value.clone() for network in networks for value in network.state_dict().values()]


class MetricsRecorder(Callback):
    """Record the metrics of a training in ``rows``."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def metrics(self, training: Training, values: dict[str, float]) -> None:
        self.rows.append(values)
