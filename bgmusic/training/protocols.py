"""Who takes part in a game: where samples come from, what generates, and how it can fail."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from bgmusic.errors import UserError


class Diverged(UserError):
    """A loss is no longer a number."""


class Source(Protocol):
    """Where real samples come from."""

    def batch(self, size: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``(size, ...)`` real samples, zeros and ones as float32, on the training device."""
        ...


class SampleNetwork(nn.Module):
    """What a generator is: a module from noise to samples, ``forward(noise, generator=None)``."""

    latent: int
    """Numbers of noise that a sample is made of."""

    def imitation(self, real: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """How unlike real samples ``(batch, ...)`` what the network expects is, a 0-d loss; draws are on the CPU.

        Raises:
            TypeError: this kind of network learns from a discriminator alone.

        """
        raise TypeError(f"{type(self).__name__} has nothing to imitate with")
