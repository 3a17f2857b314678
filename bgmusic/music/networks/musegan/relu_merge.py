"""Apply a linear layer, a ReLU and a sum over channels piece by piece, without storing all channels.

BinaryMuseGAN's generator ends with 32 channels for every cell of every track, 1 GB per stream at the paper's size,
which are summed to one. Pieces that fit into the processor's cache avoid that memory traffic; the backward pass
computes each piece's channels again. At the paper's size and a batch of 8, this saves a quarter of G's update and
0.8 GB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bgmusic.music.networks.musegan.grouped import as_autocast, summed_products

PIECE = 128  # rows of all tracks: 1.5 MB of the paper's generator; 64 to 512 rows are about as fast
PIECE_ON_GPU = 128 * PIECE  # 200 MB: enough work for one launch


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
        grad_merged = gradients[0].view(tracks, rows, -1)
        grad_x = torch.empty_like(x)
        # Sums over all rows need more than bfloat16.
        wide = torch.promote_types(x.dtype, torch.float32)
        grad_weight, grad_bias, grad_merge = (torch.zeros_like(v, dtype=wide) for v in (weight, bias, merge))
        for piece in _pieces(x):
            inputs = x[:, piece]
            channels = _channels(inputs, weight, bias, merge.shape[1])
            from_merged = grad_merged[:, piece].reshape(tracks, -1, merge.shape[2])
            grad_merge += summed_products(channels, from_merged)
            # With one plane, broadcasting is faster than a matrix product.
            spread = from_merged * to_channels if merge.shape[2] == 1 else torch.bmm(from_merged, to_channels)
            grad_channels = torch.ops.aten.threshold_backward(spread, channels, 0).view(tracks, -1, weight.shape[2])
            grad_bias += grad_channels.sum(1, keepdim=True)
            grad_weight += summed_products(inputs, grad_channels)
            grad_x[:, piece] = torch.bmm(grad_channels, to_inputs)
        return grad_x, grad_weight.to(weight.dtype), grad_bias.to(bias.dtype), grad_merge.to(merge.dtype)


def _pieces(x: Tensor) -> Iterator[slice]:
    """Yield slices of the rows of ``(tracks, rows, inputs)``."""
    size = PIECE if x.device.type == "cpu" else PIECE_ON_GPU
    return (slice(begin, begin + size) for begin in range(0, x.shape[1], size))


def _channels(x: Tensor, weight: Tensor, bias: Tensor, channels: int) -> Tensor:
    return torch.baddbmm(bias, x, weight).relu_().view(len(x), -1, channels)


def relu_merge(x: Tensor, weight: Tensor, bias: Tensor, merge: Tensor) -> Tensor:
    """Return ``relu(x weight + bias)``, cut into positions, times ``merge``, for every track.

    Under autocast it computes in autocast's dtype, as matrix products do. It is differentiable once.

    Args:
        x: ``(tracks, rows, inputs)``.
        weight: ``(tracks, inputs, positions * channels)``.
        bias: ``(tracks, 1, positions * channels)``.
        merge: ``(tracks, channels, outputs)``.

    Returns:
        ``(tracks, rows * positions, outputs)``.

    """
    merged: Tensor = _ReluMerge.apply(*as_autocast(x, weight, bias, merge))
    return merged
