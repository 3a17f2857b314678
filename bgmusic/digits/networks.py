"""BinaryGAN's networks (arXiv 1810.04714, tables 1 and 2), with configurable widths and norms."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bgmusic.digits.data import SHAPE
from bgmusic.digits.digits_config import DigitsConfig, NetworkConfig, Norm
from bgmusic.gan.layers import LeakyReLU, Scale
from bgmusic.neurons import DBN, NEURONS, SBN
from bgmusic.training.protocols import SampleNetwork

PIXELS = SHAPE[0] * SHAPE[1]
NEGATIVE_SLOPE = 0.2  # of LeakyReLU, in every discriminator


def _norm(kind: Norm, channels: int, planes: bool) -> list[nn.Module]:
    if kind == "none":
        return []
    if kind == "scale":
        return [Scale(channels)]
    return [nn.BatchNorm2d(channels) if planes else nn.BatchNorm1d(channels)]


class Generator(SampleNetwork):
    """Map noise ``(batch, latent)`` to digits ``(batch, 28, 28)`` through a binary neuron."""

    def __init__(self, config: DigitsConfig) -> None:
        super().__init__()
        self.latent = config.network.latent
        self.body = _mlp_generator(config.network) if config.network.kind == "mlp" else _cnn_generator(config.network)
        self.neuron = NEURONS[config.neuron](config.estimator)

    def logits(self, noise: Tensor) -> Tensor:
        """Map noise ``(batch, latent)`` to the neuron's logits ``(batch, 28, 28)``."""
        pixels: Tensor = self.body(noise)
        return pixels.view(-1, *SHAPE)

    def preactivated(self, noise: Tensor) -> Tensor:
        """Map noise ``(batch, latent)`` to preactivated outputs ``(batch, 28, 28)`` in [0, 1]."""
        return self.neuron.preactivate(self.logits(noise))

    @property
    def threshold_shape(self) -> tuple[int, ...] | None:
        """``(28, 28)`` for a stochastic neuron, else None."""
        return SHAPE if isinstance(self.neuron, SBN) else None

    def forward(
        self, noise: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Map noise ``(batch, latent)`` to digits ``(batch, 28, 28)``.

        A stochastic neuron draws from ``generator``, or takes ``thresholds`` ``(batch, 28, 28)``.
        """
        digits: Tensor = self.neuron(self.logits(noise), generator, thresholds)
        return digits


@torch.no_grad()
def match_pixel_rates(generator: Generator, rates: Tensor) -> None:
    """Set the offsets of G's last batch norm so that untrained samples are lit as often as the data.

    After the norm a logit has variance 1 around its offset o. If it is normal, the deterministic neuron fires with
    probability ``Phi(o)``, the stochastic one with ``E sigmoid(N(o, 1))``, about ``sigmoid(o / sqrt(1 + pi / 8))``
    (MacKay, Neural Computation 4, 1992, equation 10).

    Args:
        generator: an untrained generator with batch norm after its last layer.
        rates: float ``(28, 28)``, the share of data in which each pixel is lit, strictly between 0 and 1.

    Raises:
        ValueError: the generator has no such norm, or the rates have another shape or other values.

    """
    norm = generator.body[-1]
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
        raise ValueError(f"the generator must end with batch norm, not {type(norm).__name__}: set output_norm=batch")
    if rates.shape != SHAPE:
        raise ValueError(f"rates must have shape {SHAPE}, not {tuple(rates.shape)}")
    if not ((rates > 0) & (rates < 1)).all():
        raise ValueError(f"rates must lie strictly between 0 and 1, not in [{rates.min()}, {rates.max()}]")
    offset = norm.bias
    wanted = rates.flatten().double() if len(offset) > 1 else rates.double().mean().view(1)
    if isinstance(generator.neuron, DBN):
        offset.copy_(torch.special.ndtri(wanted))
    else:
        offset.copy_(torch.logit(wanted) * math.sqrt(1 + math.pi / 8))


def _mlp_generator(config: NetworkConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = config.latent
    for wider in config.g_widths:
        layers += [nn.Linear(width, wider), *_norm(config.g_norm, wider, planes=False), nn.ReLU()]
        width = wider
    return nn.Sequential(*layers, nn.Linear(width, PIXELS), *_norm(config.output_norm, PIXELS, planes=False))


def _cnn_generator(config: NetworkConfig) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Unflatten(1, (config.latent, 1, 1))]
    width = config.latent
    for channels, kernel, stride in ((128, 2, 1), (64, 4, 2), (32, 3, 2)):  # -> 2x2, 6x6, 13x13
        layers += [
            nn.ConvTranspose2d(width, channels, kernel, stride),
            *_norm(config.g_norm, channels, planes=True),
            nn.ReLU(),
        ]
        width = channels
    return nn.Sequential(
        *layers, nn.ConvTranspose2d(width, 1, 4, 2), *_norm(config.output_norm, 1, planes=True)
    )  # -> 28x28


class Discriminator(nn.Module):
    """Map digits ``(batch, 28, 28)`` to scores ``(batch, 1)``."""

    def __init__(self, config: DigitsConfig) -> None:
        super().__init__()
        network = config.network
        self.body = _mlp_discriminator(network) if network.kind == "mlp" else _cnn_discriminator(network)

    def forward(self, digits: Tensor) -> Tensor:
        """Map digits ``(batch, 28, 28)`` to scores ``(batch, 1)``, real numbers."""
        scores: Tensor = self.body(digits)
        return scores


def _mlp_discriminator(config: NetworkConfig) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    width = PIXELS
    for wider in config.d_widths:
        layers += [
            nn.Linear(width, wider),
            *_norm(config.d_norm, wider, planes=False),
            LeakyReLU(NEGATIVE_SLOPE),
        ]
        width = wider
    return nn.Sequential(*layers, nn.Linear(width, 1))


def _cnn_discriminator(config: NetworkConfig) -> nn.Sequential:
    def leak() -> nn.Module:
        return LeakyReLU(NEGATIVE_SLOPE)

    return nn.Sequential(
        nn.Unflatten(1, (1, SHAPE[0])),
        *(nn.Conv2d(1, 32, 3), *_norm(config.d_norm, 32, planes=True), leak(), nn.MaxPool2d(2)),  # -> 13x13
        # TensorFlow's "same" pooling of an odd size keeps the last row and column: 11 -> 6.
        *(
            nn.Conv2d(32, 64, 3),
            *_norm(config.d_norm, 64, planes=True),
            leak(),
            nn.MaxPool2d(2, ceil_mode=True),
        ),
        *(nn.Flatten(), nn.Linear(64 * 6 * 6, 128), *_norm(config.d_norm, 128, planes=False), leak()),
        nn.Linear(128, 1),
    )
