"""Layers that treat all keys alike.

Values are of two kinds: *keyed* ones ``(batch, channels, 12)``, one for each pitch class, which a transposition
rotates; and *plain* ones ``(batch, channels)``, which it leaves as they are.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from bgmusic.gan.layers import LeakyReLU
from bgmusic.music.plans.shape import CLASSES


class KeyedLinear(nn.Module):
    """Map keyed and plain values to keyed and plain values, linearly; a rotation of the input rotates the output.

    Args:
        keyed: keyed channels of the input.
        plain: plain channels of the input.
        keyed_out: keyed channels of the output.
        plain_out: plain channels of the output; 0 for none.

    """

    def __init__(self, keyed: int, plain: int, keyed_out: int, plain_out: int) -> None:
        super().__init__()
        self.sizes = keyed_out, plain_out
        scale = math.sqrt(2 / (keyed * CLASSES + plain))
        self.circular = nn.Parameter(scale * torch.randn(keyed_out, keyed, CLASSES)) if keyed_out else None
        self.to_keyed = nn.Linear(plain, keyed_out) if keyed_out else None
        self.to_plain = nn.Linear(plain + keyed, plain_out) if plain_out else None

    def forward(self, keyed: Tensor, plain: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``(batch, keyed, 12)`` and ``(batch, plain)``; an output without channels is empty."""
        out, out_plain = keyed.new_zeros(len(keyed), 0, CLASSES), plain.new_zeros(len(plain), 0)
        if self.circular is not None and self.to_keyed is not None:
            # (out, in, 12 of the output, 12 of the input): one matrix product is faster than a circular convolution.
            # Entry [p, q] is the weight of interval q - p: row p of the doubled weights, from interval -p on.
            twice = torch.cat([self.circular, self.circular], 2)
            matrix = twice.unfold(2, CLASSES, 1)[:, :, 1:].flip(2).transpose(1, 2).flatten(2).flatten(0, 1)
            out = (keyed.flatten(1) @ matrix.T).unflatten(1, (-1, CLASSES)) + self.to_keyed(plain).unsqueeze(2)
        if self.to_plain is not None:
            out_plain = self.to_plain(torch.cat([plain, keyed.mean(2)], 1))
        return out, out_plain


Norm = Literal["layer", "batch", "none"]


class _SplitBatchNorm(nn.Module):
    """Batch norm with statistics of their own for plans of which nothing is given: their inputs are all zeros."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.free, self.given = nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)

    def forward(self, values: Tensor, given: Tensor) -> Tensor:
        """Normalize values ``(batch, channels, ...)``; ``given`` is boolean ``(batch,)``."""
        out = values
        for norm, chosen in ((self.free, ~given), (self.given, given)):
            rows = chosen.nonzero().flatten()
            if len(rows) > 1 or (len(rows) and not self.training):  # one plan alone has no statistics
                out = out.index_copy(0, rows, norm(values[rows]).to(out.dtype))
        return out


class KeyedBlock(nn.Module):
    """A hidden layer: linear, normalization, and activation.

    Args:
        keyed: keyed channels of the input.
        plain: plain channels of the input.
        keyed_out: keyed channels of the output.
        plain_out: plain channels of the output.
        norm: ``layer`` for layer norm, ``batch`` for batch norm, or ``none``.

    """

    def __init__(self, keyed: int, plain: int, keyed_out: int, plain_out: int, norm: Norm = "none") -> None:
        super().__init__()
        self.linear = KeyedLinear(keyed, plain, keyed_out, plain_out)
        self.norm = norm
        self.keyed_norm: nn.Module
        self.plain_norm: nn.Module
        if norm == "layer":
            # One group: over all channels and pitch classes, with a scale for each channel.
            self.keyed_norm, self.plain_norm = nn.GroupNorm(1, keyed_out), nn.LayerNorm(plain_out)
        elif norm == "batch":
            self.keyed_norm, self.plain_norm = _SplitBatchNorm(keyed_out), _SplitBatchNorm(plain_out)
        self.activation = LeakyReLU(0.2) if norm == "none" else nn.ReLU()

    def forward(self, keyed: Tensor, plain: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map ``(batch, keyed, 12)`` and ``(batch, plain)``.

        Args:
            keyed: keyed values.
            plain: plain values.
            given: for batch norm, whether anything of each plan is given: boolean ``(batch,)``.

        """
        keyed, plain = self.linear(keyed, plain)
        if self.norm == "layer":
            keyed, plain = self.keyed_norm(keyed), self.plain_norm(plain)
        elif self.norm == "batch":
            keyed, plain = self.keyed_norm(keyed, given), self.plain_norm(plain, given)
        return self.activation(keyed), self.activation(plain)
