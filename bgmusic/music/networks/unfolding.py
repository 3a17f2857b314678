"""G's first layers: each row becomes a few cells, and batch norm of what follows wants these cells' moments.

On a CPU a compiled kernel (``unfolding.c``), where it was built and serves, makes both at once, and on the way back
takes the gradients by both at once: of the paper's generator the cells are 350 MB a stream, and each pass over them
takes as long as a quarter of the product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bgmusic.music.networks.grouped import Moments, as_autocast, moments, product
from bgmusic.music.networks.passes import Kernel, mirrored

KERNEL = Kernel(
    "unfolding",
    version=1,
    addresses=[
        *("x", "weight", "bias", "gradients", "of_firsts", "of_seconds", "cells"),
        *("firsts", "seconds", "of_x", "of_weight", "of_bias", "space"),
    ],
    counts=["tracks", "rows", "begin", "end", "inputs", "taps", "channels", "x_track"],
)
_SHARE = 256  # rows that are worth a thread of their own


class _Unfolded(torch.autograd.Function):
    """By the kernel: cells, and means of their channels and of the products of these."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, taps: int, wanted: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        tracks, _, width = weight.shape
        rows, channels = x.shape[1], width // taps
        cells = x.new_empty(tracks, rows * taps, channels)
        sums = {"firsts": (tracks, channels), "seconds": (tracks, channels, channels)} if wanted else {}
        given = {"x": x, "weight": weight, "bias": bias, "cells": cells}
        made = KERNEL(given, _sizes(x, weight, taps), rows, _SHARE, sums)
        ctx.save_for_backward(x, weight, cells)
        ctx.taps, ctx.wanted = taps, wanted
        if not wanted:
            return cells, x.new_empty(0), x.new_empty(0)
        return cells, made["firsts"] / cells.shape[1], mirrored(made["seconds"]) / cells.shape[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, cells = ctx.saved_tensors
        of_x = torch.empty_like(x)
        given = {"x": x, "weight": weight, "cells": cells, "gradients": gradients[0].contiguous(), "of_x": of_x}
        if ctx.wanted:
            first, second = (gradient / cells.shape[1] for gradient in gradients[1:])
            given |= {"of_firsts": first.contiguous(), "of_seconds": (second + second.transpose(1, 2)).contiguous()}
        shapes = {"of_weight": weight.shape, "of_bias": (len(weight), 1, weight.shape[2])}
        made = KERNEL(given, _sizes(x, weight, ctx.taps), x.shape[1], _SHARE, shapes)
        return of_x, made["of_weight"], made["of_bias"], None, None


def _sizes(x: Tensor, weight: Tensor, taps: int) -> dict[str, int]:
    tracks, inputs, width = weight.shape
    sizes = {"tracks": tracks, "rows": x.shape[1], "inputs": inputs, "taps": taps, "channels": width // taps}
    return {**sizes, "x_track": 0 if len(x) < tracks else x.stride(0)}


def unfold(x: Tensor, weight: Tensor, bias: Tensor, taps: int, wanted: bool) -> tuple[Tensor, Moments | None]:
    """``relu(bias + x weight)`` of every track, cut into taps; and the moments of these cells, if they are wanted.

    Args:
        x: ``(tracks, rows, inputs)``; 1 for ``tracks`` if all see the same.
        weight: ``(tracks, inputs, taps * channels)``.
        bias: ``(tracks, 1, taps * channels)``.
        taps: cells that a row becomes.
        wanted: whether moments are.

    Returns:
        ``(tracks, rows * taps, channels)``, and what :func:`moments` tells of these.

    """
    inputs = as_autocast(x, weight, bias)
    if KERNEL.serves(*inputs):
        cells, *found = _Unfolded.apply(*inputs, taps, wanted)
        return cells, (found[0], found[1]) if wanted else None
    rows = product(x.expand(len(weight), -1, -1), weight, bias)
    # In place before the view: after it, autograd would write the gradient three times.
    cells = torch.relu_(rows).view(len(weight), x.shape[1] * taps, -1)
    return cells, moments(cells) if wanted else None
