"""Config of a training on digits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bgmusic.gan.game_config import GameConfig, PenaltyConfig
from bgmusic.training.loop_config import AverageConfig, EstimatorName, OptimizerConfig, SlopeConfig
from bgmusic.yaml import Config

Width = Annotated[int, Field(ge=1, le=16_384)]
Norm = Literal["batch", "scale", "none"]


class NetworkConfig(Config):
    """Generator and discriminator."""

    kind: Literal["mlp", "cnn"] = "mlp"
    """Fully connected or convolutional networks (BinaryGAN, tables 1 and 2)."""
    latent: Width = 128
    """Length of the noise vector of a sample; its elements are N(0, 1)."""
    g_widths: Annotated[tuple[Width, ...], Field(max_length=16)] = (512, 1024)
    """Widths of the MLP generator's hidden layers."""
    d_widths: Annotated[tuple[Width, ...], Field(max_length=16)] = (512, 256)
    """Widths of the MLP discriminator's hidden layers."""
    g_norm: Norm = "batch"
    """Normalization after G's hidden layers: batch norm, or a learned scale and offset (as BinaryGAN's code runs)."""
    output_norm: Norm = "none"
    """Normalization after G's last layer, before the neuron."""
    output_offset: Literal["zero", "data"] = "zero"
    """Initial offsets of the last batch norm: zero, or such that each pixel of untrained samples is lit as often as in
    the training digits (the CNN has one offset for all pixels)."""
    d_norm: Norm = "none"
    """Normalization after D's hidden layers."""


DEFAULT_TRAINING = GameConfig(
    steps=12_000,
    batch=256,
    precision="auto",
    objective="relativistic",
    penalty=PenaltyConfig(kind="r1r2", weight=0.05, every=8),
    reuse_batch=True,
    g_optimizer=OptimizerConfig(rate=2e-3, betas=(0.0, 0.99)),
    d_optimizer=OptimizerConfig(rate=1e-3, betas=(0.0, 0.99)),
    average=AverageConfig(horizon=5000, ramp=0.1),
    slope=SlopeConfig(final=8.0),
)
"""The training of the preset `default`."""


class DigitsConfig(Config):
    """A training on digits: networks, neuron, and the adversarial game."""

    network: NetworkConfig = NetworkConfig()
    """Generator and discriminator."""
    neuron: Literal["dbn", "sbn", "real"] = "dbn"
    """Output neuron of G; `real` is real-valued and is binarized after training."""
    estimator: EstimatorName = "sigmoid-adjusted"
    """Gradient estimator of the neuron."""
    training: GameConfig = DEFAULT_TRAINING
    """Objective, optimizers and schedules of the adversarial game."""

    @model_validator(mode="after")
    def _fits_batch_norm(self) -> DigitsConfig:
        norms = (self.network.g_norm, self.network.output_norm, self.network.d_norm)
        if "batch" in norms and self.training.batch // self.training.accumulate < 2:
            raise ValueError(
                "batch norm needs at least two samples at a time: raise training.batch or lower training.accumulate"
            )
        if self.network.output_offset == "data" and self.network.output_norm != "batch":
            raise ValueError("output_offset=data needs a last batch norm: set output_norm=batch, or output_offset=zero")
        return self
