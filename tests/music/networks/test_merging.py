"""The kernel of the generator's last layers, against a plain ReLU in double precision, and where it steps aside."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bgmusic.music.networks import merging
from bgmusic.music.networks.merging import relu_merge

needs_kernel = pytest.mark.skipif(not merging.KERNEL.library, reason="not built, or not for this processor")

TRACKS, ROWS, INPUTS, TAPS = 3, 150, 7, 5


def inputs(channels: int, planes: int) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = (
        *((TRACKS, ROWS, INPUTS), (TRACKS, INPUTS, TAPS * channels)),
        *((TRACKS, 1, TAPS * channels), (TRACKS, channels, planes)),
    )
    return [torch.randn(shape) for shape in shapes]


def plain(x: Tensor, weight: Tensor, bias: Tensor, merge: Tensor) -> Tensor:
    cells = torch.relu(bias + x @ weight).unflatten(2, (TAPS, merge.shape[1]))
    return (cells @ merge.unsqueeze(1)).flatten(1, 2)


def values_and_gradients(function: Callable[..., Tensor], given: list[Tensor]) -> list[Tensor]:
    given = [values.detach().requires_grad_() for values in given]
    merged = function(*given)
    return [merged, *torch.autograd.grad(merged.sin().sum(), given)]


@needs_kernel
@pytest.mark.parametrize("planes", [1, 2, 3])
# Whole words of signs, one and a part, and what is no whole vector.
@pytest.mark.parametrize("channels", [1, 2, 8, 24, 31, 32, 33, 40, 64, 70])
def test_the_kernel_is_a_relu_and_a_sum(channels: int, planes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: planes)
    monkeypatch.setattr(merging, "_SHARE", 40)  # rows a thread
    given = inputs(channels, planes)
    mine = values_and_gradients(relu_merge, given)
    assert "_KernelMerge" in type(relu_merge(*(v.requires_grad_() for v in given)).grad_fn).__name__
    theirs = values_and_gradients(plain, [values.detach().double() for values in given])
    for one, other in zip(mine, theirs, strict=True):
        assert one.dtype == torch.float32
        largest = other.abs().max()
        torch.testing.assert_close(one.double() / largest, other / largest, rtol=0, atol=1e-5)


@needs_kernel
def test_the_kernel_hides_no_nan() -> None:
    for place in range(3):
        for channels in (5, 32):
            given = inputs(channels, 1)
            given[place][1] = float("nan")
            merged = relu_merge(*given)
            assert bool(merged[1].isnan().all())
            assert bool(merged[[0, 2]].isfinite().all())


@needs_kernel
@pytest.mark.parametrize("why", ["double", "bfloat16", "strided", "no library"])
def test_the_kernel_steps_aside(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = inputs(8, 1)
    if why == "double":
        given = [values.double() for values in given]
    if why == "strided":
        given[1] = given[1].transpose(1, 2).contiguous().transpose(1, 2)
    if why == "no library":
        monkeypatch.setattr(merging.KERNEL, "library", None)
    with torch.autocast("cpu", torch.bfloat16, enabled=why == "bfloat16"):
        merged = relu_merge(*(values.requires_grad_() for values in given))
    assert "_ReluMerge" in type(merged.grad_fn).__name__
    loose = 0.05 if why == "bfloat16" else 1e-5
    torch.testing.assert_close(merged.double(), plain(*(v.double() for v in given)), rtol=loose, atol=40 * loose)
