"""Compare ``relu_merge`` with plain operations in double precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bgmusic.music.networks.musegan.relu_merge import relu_merge

TRACKS, ROWS, INPUTS, TAPS = 3, 150, 7, 5


def inputs(channels: int, planes: int) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = (
        *((TRACKS, ROWS, INPUTS), (TRACKS, INPUTS, TAPS * channels)),
        *((TRACKS, 1, TAPS * channels), (TRACKS, channels, planes)),
    )
    return [torch.randn(shape) for shape in shapes]


def plain(x: Tensor, weight: Tensor, bias: Tensor, merge: Tensor) -> Tensor:
    cells = torch.relu(torch.baddbmm(bias, x, weight)).unflatten(2, (TAPS, merge.shape[1]))
    return (cells @ merge.unsqueeze(1)).flatten(1, 2)


def values_and_gradients(function: Callable[..., Tensor], given: list[Tensor]) -> list[Tensor]:
    given = [values.detach().requires_grad_() for values in given]
    merged = function(*given)
    return [merged, *torch.autograd.grad(merged.sin().sum(), given)]


@pytest.mark.parametrize("kind", ["float32", "double", "bfloat16", "strided"])
@pytest.mark.parametrize(("channels", "planes"), [(1, 1), (8, 2), (32, 1), (70, 3)])
def test_it_equals_a_plain_relu_and_a_product(channels: int, planes: int, kind: str) -> None:
    given = inputs(channels, planes)
    if kind == "double":
        given = [values.double() for values in given]
    if kind == "strided":
        given[1] = given[1].transpose(1, 2).contiguous().transpose(1, 2)
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bfloat16"):
        results = values_and_gradients(relu_merge, given)
        # In bfloat16 the same cells must be below 0, else gradients differ wholly.
        references = given if kind == "bfloat16" else [values.detach().double() for values in given]
        expected = values_and_gradients(plain, references)
    for one, other in zip(results, expected, strict=True):
        scale = other.detach().abs().max().double()
        tolerance = 0.03 if kind == "bfloat16" else 1e-5
        torch.testing.assert_close(one.double() / scale, other.double() / scale, rtol=0, atol=tolerance)


def test_nan_reaches_the_output_of_its_track_alone() -> None:
    for place in range(3):
        given = inputs(32, 1)
        given[place][1] = float("nan")
        merged = relu_merge(*given)
        assert bool(merged[1].isnan().all())
        assert bool(merged[[0, 2]].isfinite().all())
