"""A bottleneck of bits: everything that passes it is a short binary code."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.neurons.functional import preactivate
from bgmusic.neurons.modules import SBN, BinaryNeuron

MOST_BITS = 62  # of a code that fits an int64


class BitsBottleneck(nn.Module):
    """Features to bits and back: ``(..., features) -> (..., bits) -> (..., features)``.

    Each bit is one learned yes or no about the input, so ``2^bits`` codes need no code book. The decoder reads bits as
    -1 and 1, so that neither value is its silence.

    Args:
        features: width on both sides.
        bits: length of the code.
        neuron: decides; an :class:`SBN` by default.

    Source: as vector quantisation without a look-up, Yu et al., arXiv 2310.05737, section 3.1.

    """

    def __init__(self, features: int, bits: int, neuron: BinaryNeuron | None = None) -> None:
        super().__init__()
        self.encoder = nn.Linear(features, bits)
        self.decoder = nn.Linear(bits, features)
        self.neuron = SBN() if neuron is None else neuron

    def logits(self, x: Tensor) -> Tensor:
        """What the neuron decides on, ``(..., features) -> (..., bits)``."""
        logits: Tensor = self.encoder(x)
        return logits

    def encode(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The code of ``(..., features)``: zeros and ones ``(..., bits)``."""
        code: Tensor = self.neuron(self.logits(x), generator)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Features ``(..., features)`` of a code ``(..., bits)``, one from :meth:`encode` or one set by hand."""
        features: Tensor = self.decoder(2 * code - 1)
        return features

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """What the code keeps of ``(..., features)``, and the code ``(..., bits)``."""
        code = self.encode(x, generator)
        return self.decode(code), code

    def imbalance(self, x: Tensor) -> Tensor:
        """How far bits are from halving the batch, 0-d in [0, 1]: ``mean over bits of (2 mean(p) - 1)^2``.

        A little of it in the loss keeps bits from dying; 0 where each bit is on as often as off.
        """
        p = preactivate(self.logits(x), self.neuron.slope)
        return (2 * p.reshape(-1, p.shape[-1]).mean(0) - 1).square().mean()


def to_integers(code: Tensor) -> Tensor:
    """Codes ``(..., bits)`` of zeros and ones as int64 ``(...)``, the first bit lowest.

    Raises:
        ValueError: more than 62 bits.

    """
    if code.shape[-1] > MOST_BITS:
        raise ValueError(f"an integer holds {MOST_BITS} bits, not {code.shape[-1]}")
    places = 2 ** torch.arange(code.shape[-1], device=code.device)
    return (code.round().long() * places).sum(-1)


def from_integers(integers: Tensor, bits: int) -> Tensor:
    """Integers ``(...)`` as float32 codes ``(..., bits)`` of zeros and ones, the first bit lowest.

    Raises:
        ValueError: more than 62 bits, or an integer that is negative or needs more bits.

    """
    if bits > MOST_BITS:
        raise ValueError(f"an integer holds {MOST_BITS} bits, not {bits}")
    if ((integers < 0) | (integers >> bits > 0)).any():
        raise ValueError(f"a code of {bits} bits lies in 0 to {2**bits - 1}")
    return (integers.unsqueeze(-1) >> torch.arange(bits, device=integers.device) & 1).float()
