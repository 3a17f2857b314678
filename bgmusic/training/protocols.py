"""Interfaces of a training: the data source, the generator, and the error of a diverged loss."""

from __future__ import annotations

from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from bgmusic.errors import UserError


class Diverged(UserError):
    """A loss or weight is not finite."""


class Source(Protocol):
    """Source of real samples."""

    def batch(self, size: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``(size, ...)`` real samples, zeros and ones as float32, on the training device."""
        ...


class SampleNetwork(nn.Module):
    """Generator: a module that maps noise to samples, ``forward(noise, generator=None, thresholds=None)``."""

    latent: int
    """Size of the noise of a sample."""

    batch: int = 1
    """Samples to generate at a time on a CPU; more where a single one leaves it idle."""

    least: int | None = None
    """Fewest samples of a batch on a CPU that come out as in a full one, to the last bit; None: a full batch."""

    MAXIMA: ClassVar[tuple[str, ...]] = ("most",)
    """Names of integer buffers that hold the largest number seen in data; other integer buffers count."""

    @property
    def threshold_shape(self) -> tuple[int, ...] | None:
        """Shape of the thresholds of a sample's stochastic neurons, which :meth:`forward` takes; None without any."""
        return None

    def imitation(self, real: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Compute the loss of predicting real samples ``(batch, ...)``: a 0-d tensor. Draws are on the CPU.

        Raises:
            TypeError: this network learns from a discriminator alone.

        """
        raise TypeError(f"{type(self).__name__} has no imitation loss")
