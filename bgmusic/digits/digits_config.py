"""Configs of digit trainings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bgmusic.gan.game_config import GameConfig
from bgmusic.training.loop_config import EstimatorName
from bgmusic.yaml import Config

Width = Annotated[int, Field(ge=1, le=16_384)]
Norm = Literal["batch", "scale", "none"]


class NetworkConfig(Config):
    """The two networks."""

    kind: Literal["mlp", "cnn"] = "mlp"
    """Fully connected or convolutional (BinaryGAN, tables 1 and 2)."""
    latent: Width = 128
    """Numbers of noise that a sample is made of, each N(0, 1)."""
    g_widths: Annotated[tuple[Width, ...], Field(max_length=16)] = (1024,)
    """The MLP generator's hidden layers."""
    d_widths: Annotated[tuple[Width, ...], Field(max_length=16)] = (512, 256)
    """The MLP discriminator's hidden layers."""
    g_norm: Norm = "batch"
    """After G's hidden layers: batch norm, or its learned scale and offset alone (as BinaryGAN's code runs)."""
    output_norm: Norm = "batch"
    """After G's last layer, before the neuron."""
    output_offset: Literal["zero", "data"] = "zero"
    """Where the offsets of the last batch norm begin: at zero, or such that each pixel of untrained samples is lit as
    often as in the training digits (the CNN has one offset for all pixels)."""
    d_norm: Norm = "none"
    """After D's hidden layers."""


class DigitsConfig(Config):
    """A digit training: networks, neuron and the game's rules."""

    network: NetworkConfig = NetworkConfig()
    """The two networks."""
    neuron: Literal["dbn", "sbn", "real"] = "dbn"
    """Output neuron of G; `real` stays real-valued and is binarized after training."""
    estimator: EstimatorName = "sigmoid-adjusted"
    """Gradient estimator behind the neuron."""
    training: GameConfig = GameConfig()
    """The game's rules."""

    @model_validator(mode="after")
    def _fits_batch_norm(self) -> DigitsConfig:
        norms = (self.network.g_norm, self.network.output_norm, self.network.d_norm)
        if "batch" in norms and self.training.batch // self.training.accumulate < 2:
            raise ValueError("batch norm needs at least two samples at a time: training.batch / training.accumulate")
        if self.network.output_offset == "data" and self.network.output_norm != "batch":
            raise ValueError("output_offset=data is of a last batch norm: set output_norm=batch, or output_offset=zero")
        return self
