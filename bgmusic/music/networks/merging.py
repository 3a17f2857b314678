"""A layer, its ReLU and the sum of its channels in one go: the channels of all cells never stand in memory at once.

BinaryMuseGAN's generator ends with 32 channels for every cell of every track: 1 GB a stream at the paper's size, of
which a sum of 32 remains. Written to memory and read again they take most of an update of G. Here rows are handled in
pieces that stay in the processor's cache. For the backward pass a compiled kernel (``merging.c``), where it could be
built and serves, keeps the sign of each channel, one bit; elsewhere a piece's channels are computed anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bgmusic.music.networks.grouped import as_autocast, summed_products
from bgmusic.music.networks.passes import Kernel

PIECE = 128  # rows of all tracks: 1.5 MB of the paper's generator; from 64 to 512 all are about as fast
PIECE_ON_GPU = 128 * PIECE  # 200 MB: enough work for one launch

_WORD = 32  # channels whose signs one number keeps
_SHARE = 512  # rows of all tracks that are worth a thread of their own

KERNEL = Kernel(
    "merging",
    version=2,
    addresses=[
        *("x", "weight", "bias", "merge", "backs", "gradients"),
        *("merged", "of_x", "sums", "totals", "space", "signs"),
    ],
    counts=["tracks", "rows", "begin", "end", "inputs", "taps", "channels", "planes"],
)


class _ReluMerge(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, merge: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, bias, merge)
        taps = weight.shape[2] // merge.shape[1]
        merged = x.new_empty(len(x), x.shape[1], taps * merge.shape[2])
        for piece in _pieces(x):
            channels = _channels(x[:, piece], weight, bias, merge.shape[1])
            merged[:, piece] = torch.bmm(channels, merge).view(len(x), -1, merged.shape[2])
        return merged.view(len(x), -1, merge.shape[2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, weight, bias, merge = ctx.saved_tensors
        tracks, rows = x.shape[:2]
        to_channels, to_inputs = merge.transpose(1, 2), weight.transpose(1, 2)
        of_merged = gradients[0].view(tracks, rows, -1)
        of_x = torch.empty_like(x)
        # Sums over all rows: not in bfloat16.
        wide = torch.promote_types(x.dtype, torch.float32)
        of_weight, of_bias, of_merge = (torch.zeros_like(v, dtype=wide) for v in (weight, bias, merge))
        for piece in _pieces(x):
            inputs = x[:, piece]
            channels = _channels(inputs, weight, bias, merge.shape[1])
            from_merged = of_merged[:, piece].reshape(tracks, -1, merge.shape[2])
            of_merge += summed_products(channels, from_merged)
            # With one plane a product of matrices is a product with each number.
            spread = from_merged * to_channels if merge.shape[2] == 1 else torch.bmm(from_merged, to_channels)
            of_channels = torch.ops.aten.threshold_backward(spread, channels, 0).view(tracks, -1, weight.shape[2])
            of_bias += of_channels.sum(1, keepdim=True)
            of_weight += summed_products(inputs, of_channels)
            of_x[:, piece] = torch.bmm(of_channels, to_inputs)
        return of_x, of_weight.to(weight.dtype), of_bias.to(bias.dtype), of_merge.to(merge.dtype)


class _KernelMerge(torch.autograd.Function):
    """The same by the kernel: of all channels only the signs are kept.

    With them and the gradient g of a row's sum, channel ``w`` of inputs x passes on ``s = g [w x + b > 0]``. From the
    sums ``Q = sum x s`` and ``q = sum s`` over rows follow all gradients of weights: ``merge Q`` of the layer's,
    ``merge q`` of its bias, and ``w Q + b q`` of ``merge``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, merge: Tensor) -> Tensor:
        tracks, rows = x.shape[:2]
        channels, planes = merge.shape[1:]
        taps = weight.shape[2] // channels
        merged = x.new_empty(planes, tracks, rows, taps)
        signs = torch.empty(tracks, rows, taps, -(-channels // _WORD), dtype=torch.int32)
        given = {"x": x, "weight": weight, "bias": bias, "merge": merge.permute(2, 0, 1).contiguous()}
        KERNEL({**given, "merged": merged, "signs": signs}, _sizes(x, taps, merge), rows, _SHARE)
        ctx.save_for_backward(x, weight, bias, merge, signs)
        return merged.permute(1, 2, 3, 0).reshape(tracks, rows * taps, planes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, weight, bias, merge, signs = ctx.saved_tensors
        tracks, rows, taps, _ = signs.shape
        channels, planes = merge.shape[1:]
        of_planes = gradients[0].view(tracks, rows, taps, planes).permute(3, 0, 1, 2).contiguous()
        by_plane = merge.permute(2, 0, 1).repeat(1, 1, taps).unsqueeze(2)  # planes, tracks, 1, taps * channels
        given = {"x": x, "backs": weight * by_plane, "gradients": of_planes, "signs": signs, "weight": weight}
        of_x = torch.empty_like(x)
        shapes = {"sums": (planes, *weight.shape), "totals": (planes, *bias.shape)}
        made = KERNEL({**given, "of_x": of_x}, _sizes(x, taps, merge), rows, _SHARE, shapes)
        sums, totals = made["sums"], made["totals"]
        of_weight, of_bias = (sums * by_plane).sum(0), (totals * by_plane).sum(0)
        of_merge = (weight * sums).sum(2) + (bias * totals).squeeze(2)  # planes, tracks, taps * channels
        return of_x, of_weight, of_bias, of_merge.view(planes, tracks, taps, channels).sum(2).permute(1, 2, 0)


def _sizes(x: Tensor, taps: int, merge: Tensor) -> dict[str, int]:
    tracks, rows, inputs = x.shape
    channels, planes = merge.shape[1:]
    return {"tracks": tracks, "rows": rows, "inputs": inputs, "taps": taps, "channels": channels, "planes": planes}


def _pieces(x: Tensor) -> Iterator[slice]:
    """The rows of ``(tracks, rows, inputs)``, a few at a time."""
    size = PIECE if x.device.type == "cpu" else PIECE_ON_GPU
    return (slice(begin, begin + size) for begin in range(0, x.shape[1], size))


def _channels(x: Tensor, weight: Tensor, bias: Tensor, channels: int) -> Tensor:
    return torch.baddbmm(bias, x, weight).relu_().view(len(x), -1, channels)


def relu_merge(x: Tensor, weight: Tensor, bias: Tensor, merge: Tensor) -> Tensor:
    """``relu(x weight + bias)``, cut into positions of ``merge``'s channels each, times ``merge``; for every track.

    Under autocast it computes in autocast's type, as matrix products do.

    Args:
        x: ``(tracks, rows, inputs)``.
        weight: ``(tracks, inputs, positions * channels)``.
        bias: ``(tracks, 1, positions * channels)``.
        merge: ``(tracks, channels, outputs)``.

    Returns:
        ``(tracks, rows * positions, outputs)``.

    """
    inputs = as_autocast(x, weight, bias, merge)
    function = _KernelMerge if KERNEL.serves(*inputs) else _ReluMerge
    merged: Tensor = function.apply(*inputs)
    return merged
