"""A bottleneck of bits: an autoencoder layer whose code is binary."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.neurons.functional import preactivate
from bgmusic.neurons.modules import SBN, BinaryNeuron

MOST_BITS = 62  # of a code that fits an int64


class BitsBottleneck(nn.Module):
    """Encode features as bits and decode them: ``(..., features) -> (..., bits) -> (..., features)``.

    Each bit is a learned binary decision about the input, so ``2^bits`` codes need no code book. The decoder reads bits
    as -1 and 1, so that both values contribute to its output.

    Args:
        features: size of the last dimension of input and output.
        bits: length of the code.
        neuron: the binary neuron of the code; an :class:`SBN` by default.

    Source: as vector quantization without a look-up, Yu et al., arXiv 2310.05737, section 3.1.

    """

    def __init__(self, features: int, bits: int, neuron: BinaryNeuron | None = None) -> None:
        super().__init__()
        self.encoder = nn.Linear(features, bits)
        self.decoder = nn.Linear(bits, features)
        self.neuron = SBN() if neuron is None else neuron

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits of the code, ``(..., features) -> (..., bits)``."""
        logits: Tensor = self.encoder(x)
        return logits

    def encode(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Encode ``(..., features)`` as zeros and ones ``(..., bits)``; ``generator`` feeds a stochastic neuron."""
        code: Tensor = self.neuron(self.logits(x), generator)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Decode ``(..., bits)`` to ``(..., features)``: a code of :meth:`encode`, or one edited by hand."""
        features: Tensor = self.decoder(2 * code - 1)
        return features

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the reconstruction of ``(..., features)``, of the same shape, and the code ``(..., bits)``."""
        code = self.encode(x, generator)
        return self.decode(code), code

    def imbalance(self, x: Tensor) -> Tensor:
        """Return how far the bits are from being balanced over the batch: ``mean over bits of (2 mean(p) - 1)^2``.

        Add it to the loss with a small weight to keep bits from becoming constant.

        Args:
            x: features ``(..., features)``.

        Returns:
            0-d tensor in [0, 1]; 0 if each bit is 1 with a mean probability of 0.5.

        """
        p = preactivate(self.logits(x), self.neuron.slope)
        return (2 * p.reshape(-1, p.shape[-1]).mean(0) - 1).square().mean()


def _check_bits(bits: int) -> None:
    if not 0 <= bits <= MOST_BITS:
        raise ValueError(f"an int64 holds 0 to {MOST_BITS} bits, not {bits}")


def to_integers(code: Tensor) -> Tensor:
    """Convert codes ``(..., bits)`` of zeros and ones to int64 ``(...)``, the lowest bit first.

    Numbers between 0 and 1, as of a relaxed neuron, are rounded.

    Raises:
        ValueError: the code is 0-d, has more than 62 bits, or has a value outside [0, 1].

    """
    if not code.dim():
        raise ValueError("a code has shape (..., bits), but this one is 0-d")
    _check_bits(code.shape[-1])
    if not ((code >= 0) & (code <= 1)).all():
        raise ValueError("a code consists of zeros and ones, but this one has other values")
    places = 2 ** torch.arange(code.shape[-1], device=code.device)
    return ((code > 0.5).long() * places).sum(-1)


def from_integers(integers: Tensor, bits: int) -> Tensor:
    """Convert integers ``(...)`` to float32 codes ``(..., bits)`` of zeros and ones, the lowest bit first.

    Raises:
        ValueError: more than 62 bits, the type is not an integer's, or an integer is negative or needs more bits.

    """
    _check_bits(bits)
    if not isinstance(integers, Tensor):
        raise TypeError(f"integers must be a tensor, not {type(integers).__name__}")
    if integers.is_floating_point() or integers.dtype == torch.bool or integers.is_complex():
        raise ValueError(f"codes of {bits} bits are made from integers, not {integers.dtype}")
    integers = integers.long()
    if ((integers < 0) | (integers >> bits > 0)).any():
        raise ValueError(f"integers for {bits} bits must lie in 0 to {2**bits - 1}")
    return (integers.unsqueeze(-1) >> torch.arange(bits, device=integers.device) & 1).float()
