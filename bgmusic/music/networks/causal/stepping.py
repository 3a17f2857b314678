"""Read the steps so far, one step at a time: the trunk's weights arranged for composing.

Products take transposed weights. On CPUs they are faster for few rows, and MKL then sums each row in the same order
whatever the number of rows, so that a phrase does not depend on the others of its batch. A single row is the exception,
on AMD's CPUs also two and three: :func:`affine` adds rows to them.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.music.networks.causal.attention import Layer, rotations
from bgmusic.music.networks.causal.trunk import Trunk
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.rolls.shape import RollShape

_LEAST, _FEW, _MANY = 4, 16, 512  # rows of a product
_MEMORY = 1 << 28  # bytes of keys and values of a batch


def affine(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x @ weight + bias`` for ``(rows, inputs)`` and ``(inputs, outputs)``; ``bias`` may have rows, too."""
    rows = x.shape[0]
    if rows >= _LEAST:
        return torch.addmm(bias, x, weight)
    return torch.addmm(bias if bias.dim() == 1 else _padded(bias), _padded(x), weight)[:rows]


def hidden_layer(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return GELU of :func:`affine`.

    The GELU of a transposed view is PyTorch's own; that of a contiguous tensor is oneDNN's, which takes twice the time
    for the few numbers of a single phrase. Both differ in the last bits, so all sizes take the same.
    """
    rows = x.shape[0]
    if rows >= _LEAST:
        return F.gelu(torch.addmm(bias, x, weight).t()).t()
    return F.gelu(torch.addmm(bias, _padded(x), weight).t()).t()[:rows]


def _padded(x: Tensor) -> Tensor:
    """Add rows of zeros, so that there are ``_LEAST``."""
    return F.pad(x, (0, 0, 0, _LEAST - x.shape[0]))


def batch_sizes(shape: RollShape, settings: CausalConfig, drafts: int) -> tuple[int, int | None]:
    """Return how many phrases to compose at a time on a CPU, and the fewest that come out as in a full batch.

    Large batches share the cost of each operation. Where sums depend on the number of rows, batches stay small, so that
    a single phrase is not computed among many others.

    Args:
        shape: of the phrases.
        settings: of the network.
        drafts: of each phrase, at most.

    """
    if not sums_alike(settings.width, settings.hidden):
        return max(1, _FEW // drafts), None
    steps = shape.bars * shape.steps
    rows = min(_MANY, _MEMORY // (8 * steps * settings.width * settings.layers))  # keys and values, float32
    # What is known of beats, and what the critic sees of a unit's steps, are products with weights as they are.
    fewest = min(drafts, settings.blank_drafts)
    least = -(-_FEW // min(shape.bars * shape.beats, shape.unit * fewest if fewest > 1 else steps))
    return max(least, rows // drafts), least


@lru_cache(maxsize=16)
def sums_alike(width: int, hidden: int) -> bool:
    """Return whether products sum each row in the same order for any number of rows, as MKL does on CPUs.

    Args:
        width: channels of a network.
        hidden: channels of its hidden layers.

    """
    random = torch.Generator("cpu").manual_seed(0)
    with torch.inference_mode():
        for inputs, outputs in ((width, 3 * width), (4 * width, width), (width, hidden), (hidden, hidden - 1)):
            x, weight, bias = (
                torch.randn(size, generator=random, device="cpu")
                for size in ((_MANY, inputs), (inputs, outputs), (outputs,))
            )
            whole, turned = torch.addmm(bias, x, weight), weight.t().contiguous()
            linear = F.linear(x, turned, bias)
            for rows in (2, 3, 5, 7, 13, 16, 31, 65, 130):
                if not torch.equal(affine(bias, x[:rows], weight), whole[:rows]):
                    return False
                if rows >= _FEW and not torch.equal(F.linear(x[:rows], turned, bias), linear[:rows]):
                    return False
    return True


class TrunkSteps:
    """The layers of a trunk with the keys and values of the steps so far, without dropout.

    Args:
        trunk: the layers.
        context: what is known of each step, ``(batch, steps, width)``.

    """

    def __init__(self, trunk: Trunk, context: Tensor) -> None:
        batch, steps, width = context.shape
        self._length = 0
        self._batch, batch = batch, max(_LEAST, batch)  # products of fewer rows would sum in another order
        self._begin = trunk.begin
        self._known = (context + (trunk.bar + trunk.place).flatten(0, 1)).unbind(1)
        cosine, sine = rotations(steps, width // trunk.heads, context.device).to(context.dtype)
        self._angles = torch.complex(cosine, sine).unbind(0)
        # Embedded steps, of which those of bars ago are seen again.
        self._embedded = context.new_zeros(steps, batch, width)
        self._echoes = [
            (bars * trunk.shape.steps, _as_linear(echo).weight.t().contiguous())
            for bars, echo in enumerate(trunk.echoes, 1)
        ]
        self._layers = [_LayerSteps(layer, batch, steps) for layer in map(_as_layer, trunk.layers)]
        self._norm = (width,), trunk.norm.weight, trunk.norm.bias

    def step(self, before: Tensor | None) -> Tensor:
        """Return the state of the next step ``(batch, width)``.

        Args:
            before: the embedded step before it ``(batch, width)``; None: it is the first.

        """
        place = self._length
        x = (self._begin if before is None else before) + self._known[place]
        if self._batch < _LEAST:
            x = _padded(x)
        if self._echoes and before is not None:
            self._embedded[place - 1, : self._batch] = before
        for ago, weight in self._echoes:
            if place >= ago:
                x = torch.addmm(x, self._embedded[place - ago], weight)
        for layer in self._layers:
            x = layer.step(x, self._angles[place], place)
        self._length += 1
        return torch.layer_norm(x, *self._norm)[: self._batch]

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places; a place keeps its phrase's context."""
        if self._echoes:
            filled = self._embedded[: self._length]
            filled.index_copy_(1, places, filled.index_select(1, rows))
        for layer in self._layers:
            layer.replace(places, rows, self._length)


class _LayerSteps:
    """One layer; the rotary positions are products of complex numbers, so pairs of channels become neighbours."""

    def __init__(self, layer: Layer, batch: int, steps: int) -> None:
        width, heads = layer.out.in_features, layer.heads
        size = width // heads
        order = torch.arange(width, device=layer.out.weight.device).view(heads, 2, -1).transpose(1, 2).flatten()
        scale = size**-0.5
        query, key, value = layer.qkv.weight.view(3, width, width)
        biases = layer.qkv.bias.view(3, width)
        self._qkv = torch.cat([query[order] * scale, key[order], value]).t().contiguous()
        self._qkv_bias = torch.cat([biases[0][order] * scale, biases[1][order], biases[2]])
        self._out, self._out_bias = layer.out.weight.t().contiguous(), layer.out.bias
        self._up, self._up_bias = layer.up.weight.t().contiguous(), layer.up.bias
        self._down, self._down_bias = layer.down.weight.t().contiguous(), layer.down.bias
        self._before = (width,), layer.before.weight, layer.before.bias
        self._between = (width,), layer.between.weight, layer.between.bias
        # Written before they are read. Views of the same memory are made once, not in each step.
        new = query.new_empty
        self._projected, turned, seen = new(batch, 3 * width), new(batch * heads, 1, size), new(batch * heads, 1, size)
        query, key, self._value = self._projected.view(batch, 3, heads, size).unbind(1)
        self._query, self._key = (torch.view_as_complex(x.unflatten(-1, (-1, 2))) for x in (query, key))
        self._turned, self._seen, self._joined = turned, seen, seen.view(batch, width)
        self._turned_places = torch.view_as_complex(turned.view(batch, heads, -1, 2))
        self._keys, self._values = new(2, batch, heads, steps, size).unbind(0)
        # As products of matrices need them, and where each step is written.
        self._flat_keys, self._flat_values = self._keys.flatten(0, 1).transpose(1, 2), self._values.flatten(0, 1)
        self._key_places = torch.view_as_complex(self._keys.unflatten(-1, (-1, 2))).unbind(2)
        self._value_places = self._values.unbind(2)

    def step(self, x: Tensor, angles: Tensor, place: int) -> Tensor:
        """Apply the layer to the step ``place``: ``(batch, width)``."""
        torch.addmm(self._qkv_bias, torch.layer_norm(x, *self._before), self._qkv, out=self._projected)
        torch.mul(self._key, angles, out=self._key_places[place])
        torch.mul(self._query, angles, out=self._turned_places)
        self._value_places[place].copy_(self._value)
        weights = torch.bmm(self._turned, self._flat_keys.narrow(2, 0, place + 1)).softmax(-1)
        torch.bmm(weights, self._flat_values.narrow(1, 0, place + 1), out=self._seen)
        return self._feed_forward(torch.addmm(self._out_bias, self._joined, self._out).add_(x))

    def _feed_forward(self, x: Tensor) -> Tensor:
        inner = hidden_layer(self._up_bias, torch.layer_norm(x, *self._between), self._up)
        return torch.addmm(self._down_bias, inner, self._down).add_(x)

    def replace(self, places: Tensor, rows: Tensor, length: int) -> None:
        for cache in (self._keys, self._values):
            filled = cache[:, :, :length]
            filled.index_copy_(0, places, filled.index_select(0, rows))


def _as_linear(module: object) -> nn.Linear:
    if not isinstance(module, nn.Linear):
        raise TypeError("bars ago are seen through linear layers")
    return module


def _as_layer(module: object) -> Layer:
    if not isinstance(module, Layer):
        raise TypeError("a trunk consists of layers")
    return module
