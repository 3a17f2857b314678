"""D's private networks on a CPU, all layers in one go, by a compiled kernel (``private.c``) where it serves.

What stands between their layers is eight times what goes in and comes out, and memory is slower than the processor:
written and read again, layer by layer, forward, back and, for a gradient penalty, back again, it takes half of an
update of D. The kernel takes a few pieces at a time through all layers; for the way back only the second layers are
kept, and the first, a tenth of the work, are computed anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bgmusic.music.networks.grouped import either
from bgmusic.music.networks.passes import Kernel

_SHARE = 128  # pieces that are worth a thread of their own


class Weights(NamedTuple):
    """Of two streams, which unfold a piece by pitch and then by time, and the other way round; for each track.

    Shapes: ``first`` ``(tracks, inputs, channels)``; ``second`` ``(tracks, rows * channels, outputs)``, all rows of a
    piece joined; ``merge`` ``(tracks, outputs, outputs)``; biases ``(tracks, 1, channels or outputs)``.
    """

    first: Tensor
    other_first: Tensor
    first_bias: Tensor
    other_first_bias: Tensor
    second: Tensor
    other_second: Tensor
    second_bias: Tensor
    other_second_bias: Tensor
    merge: Tensor
    other_merge: Tensor
    bias: Tensor


class _Made(NamedTuple):
    """What a pass forward makes, ``(tracks, count, outputs)``: outputs and the second layers of both streams."""

    out: Tensor
    kept: Tensor
    other_kept: Tensor


KERNEL = Kernel(
    "private",
    version=1,
    addresses=[
        *(*Weights._fields, *(f"of_{name}" for name in Weights._fields), "pieces", "of_out", "moves", *_Made._fields),
        *("of_heard", "of_other_heard", "of_pieces", "out_moves", "space"),
    ],
    counts=["tracks", "count", "begin", "end", "ticks", "pitches", "planes", "channels", "outputs"],
    numbers=["slope"],
)


def _passed(
    weights: Sequence[Tensor],
    slope: float,
    pieces: Tensor,
    made: _Made,
    more: Mapping[str, Tensor] = MappingProxyType({}),
    gradients: bool = False,
) -> list[Tensor]:
    """Take all pieces through the networks, in which direction ``more`` tells; sums of gradients if they are wanted."""
    tracks, count, ticks, pitches, planes = pieces.shape
    sizes = {"tracks": tracks, "count": count, "ticks": ticks, "pitches": pitches, "planes": planes, "slope": slope}
    sizes |= {"channels": weights[0].shape[2], "outputs": made.out.shape[2]}
    named = dict(zip(Weights._fields, weights, strict=True))
    sums = {f"of_{name}": weight.shape for name, weight in named.items()} if gradients else {}
    return list(KERNEL({"pieces": pieces, **named, **made._asdict(), **more}, sizes, count, _SHARE, sums).values())


class _ByPieces(torch.autograd.Function):
    """Outputs as a function of the pieces; the weights are no arguments, and their gradients not asked for here."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, pieces: Tensor, made: _Made, weights: Weights, slope: float) -> Tensor:
        ctx.save_for_backward(pieces, *made, *weights)
        ctx.slope = slope
        return out.view_as(out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None, None, None]:
        pieces, *others = ctx.saved_tensors
        again = torch.is_grad_enabled()
        of_pieces = _Back.apply(gradients[0].contiguous(), pieces.detach(), ctx.slope, again, *others)
        return None, of_pieces, None, None, None


class _Back(torch.autograd.Function):
    """Gradients by pieces as a function of those by outputs, and of the weights."""

    @staticmethod
    def forward(ctx: Any, of_out: Tensor, pieces: Tensor, slope: float, again: bool, *others: Tensor) -> Tensor:
        weights, of_pieces = Weights(*others[3:]), torch.empty_like(pieces)
        more = {"of_out": of_out, "of_pieces": of_pieces}
        if again:  # a quarter of the work on the way back
            joined = (weights.second.shape[1], weights.other_second.shape[1])
            names = ("of_heard", "of_other_heard")
            more |= {n: pieces.new_empty(*pieces.shape[:2], size) for n, size in zip(names, joined, strict=True)}
            ctx.save_for_backward(more["of_heard"], more["of_other_heard"], of_out, pieces, *others)
        ctx.slope = slope
        _passed(weights, slope, pieces, _Made(*others[:3]), more)
        return of_pieces

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *moves: Tensor) -> tuple[Tensor | None, ...]:
        of_heard, of_other_heard, of_out, pieces, *others = ctx.saved_tensors
        made, weights, out_moves = _Made(*others[:3]), others[3:], torch.empty_like(of_out)
        more = {"of_heard": of_heard, "of_other_heard": of_other_heard}
        more |= {"of_out": of_out, "moves": moves[0].contiguous(), "out_moves": out_moves}
        sums = _passed(weights, ctx.slope, pieces, made, more, gradients=True)
        return (out_moves, None, None, None, None, None, None, *sums)


class _ByWeights(torch.autograd.Function):
    """Outputs as a function of the weights."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, pieces: Tensor, made: _Made, slope: float, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(pieces, *made, *weights)
        ctx.slope = slope
        return out.view_as(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        pieces, *others = ctx.saved_tensors
        made, of_out = _Made(*others[:3]), gradients[0].contiguous()
        sums = _passed(others[3:], ctx.slope, pieces, made, {"of_out": of_out}, gradients=True)
        return (None, None, None, None, *sums)


def pass_pieces(pieces: Tensor, weights: Weights, slope: float) -> Tensor:
    """What the private networks make of pieces; where the kernel serves.

    Differentiable by pieces and weights, and the gradient by pieces once more.

    Args:
        pieces: ``(tracks, count, ticks, pitches, planes)``.
        weights: with ``pitches * planes`` and ``ticks * planes`` inputs.
        slope: of all leaky ReLUs.

    Returns:
        ``(tracks, count, outputs)``.

    """
    made = _Made(*(pieces.new_empty(*pieces.shape[:2], weights.bias.shape[2]) for _ in _Made._fields))
    _passed(weights, slope, pieces, made)
    plain = pieces.detach()
    by_pieces = _ByPieces.apply(made.out, pieces, made, weights, slope)
    return either(by_pieces, _ByWeights.apply(made.out, plain, made, slope, *weights))
