"""What a residual unit of the refiner computes of windows, on a CPU by a compiled kernel (``refining.c``).

Each cell sees 36 numbers and has 64 channels: of a batch of the paper's rolls 0.6 and 1 GB for each unit. The kernel
takes a step of a roll at a time, and computes both anew on the way back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bgmusic.music.networks.grouped import Moments
from bgmusic.music.networks.passes import Kernel, mirrored

KERNEL = Kernel(
    "refining",
    version=1,
    addresses=[
        *("images", "weight", "bias", "second", "gradients", "of_firsts", "of_seconds"),
        *("given", "firsts", "seconds", "of_images", "of_weight", "of_bias", "of_second", "space"),
    ],
    counts=[
        *("tracks", "count", "begin", "end", "steps", "pitches", "planes"),
        *("high", "wide", "down", "right", "channels"),
    ],
)


class Windows(NamedTuple):
    """Of the convolutions: their kernel's ``steps`` and ``pitches``, and the zeros that follow a roll in both."""

    steps: int
    pitches: int
    below: int
    right: int


def _sizes(images: Tensor, windows: Windows, channels: int = 0) -> dict[str, int]:
    tracks, phrases, bars, high, wide, planes = images.shape
    sizes = {"tracks": tracks, "count": phrases * bars, "planes": planes, "channels": channels}
    sizes |= {"steps": high - windows.steps + 1, "pitches": wide - windows.pitches + 1}
    return {**sizes, "high": windows.steps, "wide": windows.pitches, "down": windows.below, "right": windows.right}


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(images)
        ctx.windows, sizes = windows, _sizes(images, windows)
        size, count = sizes["planes"] * windows.steps * windows.pitches, sizes["count"]
        ctx.cells = count * sizes["steps"] * sizes["pitches"]
        sums = {"firsts": (len(images), size), "seconds": (len(images), size, size)}
        made = KERNEL({"images": images}, sizes, count, 1, sums)
        return made["firsts"] / ctx.cells, mirrored(made["seconds"]) / ctx.cells

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (images,) = ctx.saved_tensors
        of_images, (first, second) = torch.empty_like(images), (gradient / ctx.cells for gradient in gradients)
        given = {"images": images, "of_images": of_images, "of_firsts": first.contiguous()}
        given["of_seconds"] = (second + second.transpose(1, 2)).contiguous()
        sizes = _sizes(images, ctx.windows)
        KERNEL(given, sizes, sizes["count"], 1)
        return of_images, None


class _Given(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, second: Tensor, windows: Windows) -> Tensor:
        ctx.save_for_backward(images, weight, bias, second)
        ctx.windows, sizes = windows, _sizes(images, windows, weight.shape[2])
        given = images.new_empty(*images.shape[:3], *(sizes[name] for name in ("planes", "steps", "pitches")))
        values = {"images": images, "weight": weight, "bias": bias, "second": second, "given": given}
        KERNEL(values, sizes, sizes["count"], 1)
        return given

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, bias, second = ctx.saved_tensors
        of_images, sizes = torch.empty_like(images), _sizes(images, ctx.windows, weight.shape[2])
        values = {"images": images, "weight": weight, "bias": bias, "second": second, "of_images": of_images}
        values["gradients"] = gradients[0].contiguous()
        shapes = {"of_weight": weight.shape, "of_bias": bias.shape, "of_second": second.shape}
        made = KERNEL(values, sizes, sizes["count"], 1, shapes)
        return of_images, made["of_weight"], made["of_bias"], made["of_second"], None


def window_moments(images: Tensor, windows: Windows) -> Moments:
    """Means over all windows of their numbers, and of the products of these; where the kernel serves.

    Args:
        images: rolls with zeros around them, ``(tracks, phrases, bars, steps + 2, pitches + 11, planes)``.
        windows: of which kind.

    Returns:
        ``(tracks, planes * 36)`` and ``(tracks, planes * 36, planes * 36)``.

    """
    first, second = _Moments.apply(images, windows)
    return first, second


def give(images: Tensor, weight: Tensor, bias: Tensor, second: Tensor, windows: Windows) -> Tensor:
    """What all cells hand to those around them, ``relu(window weight + bias) second^T``; where the kernel serves.

    Args:
        images: as above.
        weight: ``(tracks, planes * 36, channels)``, and so is ``second``.
        bias: ``(tracks, 1, channels)``.
        second: from a cell's channels to what lies around it, mirrored to what it sees.
        windows: of which kind.

    Returns:
        ``(tracks, phrases, bars, planes, steps, pitches)``.

    """
    given: Tensor = _Given.apply(images, weight, bias, second, windows)
    return given
