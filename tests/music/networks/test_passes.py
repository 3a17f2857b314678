"""The kernels of D's private networks, G's first layers and the refiner, against plain layers in double precision."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.gan.penalties import one_centred, scores_and_gradients
from bgmusic.music.config import NetworkConfig, RollShape
from bgmusic.music.networks import passes, private, refining, unfolding
from bgmusic.music.networks.discriminator import Discriminator
from bgmusic.music.networks.plan import Plan
from bgmusic.music.networks.private import Weights, pass_pieces
from bgmusic.music.networks.refiner import ResidualUnit
from bgmusic.music.networks.refining import Windows, give, window_moments
from bgmusic.music.networks.unfolding import unfold

needs_kernels = pytest.mark.skipif(not private.KERNEL.library, reason="not built, or not for this processor")

SLOPE = 0.2
# Tracks, pieces, ticks, pitches, planes, channels, outputs: the paper's layers, and sizes that are no whole vectors.
PIECES = [
    (2, 97, 6, 12, 1, 32, 64),
    (1, 1, 6, 12, 1, 32, 64),
    (3, 200, 2, 12, 2, 5, 7),
    (2, 50, 3, 4, 3, 17, 33),
    (1, 13, 1, 1, 1, 1, 1),
]


def weights_of(tracks: int, ticks: int, pitches: int, planes: int, channels: int, outputs: int) -> list[Tensor]:
    one, other = (tracks, pitches * planes, channels), (tracks, ticks * planes, channels)
    two, other_two = (tracks, ticks * channels, outputs), (tracks, pitches * channels, outputs)
    merge, first, last = (tracks, outputs, outputs), (tracks, 1, channels), (tracks, 1, outputs)
    shapes = (one, other, first, first, two, other_two, last, last, merge, merge, last)
    return [torch.randn(shape) / shape[1] ** 0.5 for shape in shapes]


def leak(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, SLOPE * x)


def plain(pieces: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Both streams as they stand in the paper's appendix: a convolution over pitch, then time, and the other way."""
    w = Weights(*weights)
    one = leak(
        leak(pieces.flatten(-2) @ w.first.unsqueeze(1) + w.first_bias.unsqueeze(1)).flatten(2) @ w.second
        + w.second_bias
    )
    turned = pieces.transpose(2, 3).flatten(-2)
    other = leak(turned @ w.other_first.unsqueeze(1) + w.other_first_bias.unsqueeze(1)).flatten(2)
    other = leak(other @ w.other_second + w.other_second_bias)
    return leak(one @ w.merge + other @ w.other_merge + w.bias)


def all_gradients(function: Callable[..., Tensor], pieces: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """Outputs, their gradients, and those of a penalty on the gradients by the pieces."""
    pieces = pieces.detach().requires_grad_()
    weights = [weight.detach().requires_grad_() for weight in weights]
    out = function(pieces, weights)
    first = torch.autograd.grad(out.sin().sum(), [pieces, *weights], retain_graph=True)
    (of_pieces,) = torch.autograd.grad(out.square().sum(), pieces, create_graph=True)
    # Two of the weights' gradients: through the first gradient, and through the outputs that it began with.
    again = torch.autograd.grad(of_pieces.square().sum(), weights, allow_unused=True)
    matrices = [torch.zeros_like(w) if g is None else g for g, w in zip(again, weights, strict=True)]
    return [out, *first, of_pieces, *matrices]


def assert_near(mine: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    for one, other in zip(mine, theirs, strict=True):
        assert one.dtype == torch.float32
        largest = other.abs().max().clamp(min=1e-6)
        torch.testing.assert_close(one.double() / largest, other / largest, rtol=0, atol=1e-5)


@needs_kernels
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("sizes", PIECES)
def test_private_networks_are_plain_layers(
    sizes: tuple[int, ...], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(private, "_SHARE", 16)
    torch.manual_seed(0)
    tracks, count, ticks, pitches, planes, channels, outputs = sizes
    pieces = torch.randn(tracks, count, ticks, pitches, planes)
    weights = weights_of(tracks, ticks, pitches, planes, channels, outputs)
    assert private.KERNEL.serves(pieces, *weights)
    mine = all_gradients(lambda x, w: pass_pieces(x, Weights(*w), SLOPE), pieces, weights)
    assert_near(mine, all_gradients(plain, pieces.double(), [weight.double() for weight in weights]))


@needs_kernels
@pytest.mark.parametrize("width", [1.0, 0.3])
@pytest.mark.parametrize("encoding", ["pause", "onset"])
def test_a_penalised_update_is_the_same_without_the_kernel(
    encoding: str, width: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    shape = RollShape(track_set="lpd-5", resolution=6, bars=2, steps=24, encoding=encoding)
    network = Discriminator(NetworkConfig(width=width), shape)
    size = (2, network.plan.channels, shape.bars, shape.steps, network.plan.pitches)
    real, fake = (torch.rand(size) < 0.02).float(), torch.rand(size)

    def update() -> list[Tensor]:
        network.zero_grad()
        _, gradients = scores_and_gradients(network, (real + fake).float() / 2)
        scores = network(torch.cat([real, fake])).chunk(2)
        (scores[1].mean() - scores[0].mean() + 10 * one_centred(gradients)).backward(inputs=list(network.parameters()))
        return [
            *scores,
            gradients,
            *(weight.grad.clone() for weight in network.parameters() if weight.grad is not None),
        ]

    served = update()
    monkeypatch.setattr(private.KERNEL, "library", None)
    for one, other in zip(served, update(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * float(other.detach().abs().max()))


@needs_kernels
def test_weights_gradients_are_not_differentiated() -> None:
    pieces, weights = torch.randn(1, 9, 2, 12, 1), [w.requires_grad_() for w in weights_of(1, 2, 12, 1, 4, 4)]
    found = torch.autograd.grad(
        pass_pieces(pieces, Weights(*weights), SLOPE).square().sum(), weights, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        found[0].sum().backward()


def plainly_unfolded(x: Tensor, weight: Tensor, bias: Tensor, taps: int) -> tuple[Tensor, Tensor, Tensor]:
    cells = torch.relu(x @ weight + bias).unflatten(2, (taps, -1)).flatten(1, 2)
    return cells, cells.mean(1), (cells.unsqueeze(-1) * cells.unsqueeze(-2)).mean(1)


@needs_kernels
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("inputs", "taps", "channels"), [(64, 12, 64), (7, 5, 3), (1, 1, 1), (20, 2, 33)])
def test_unfolded_cells_and_moments(
    inputs: int, taps: int, channels: int, shared: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(unfolding, "_SHARE", 16)
    torch.manual_seed(0)
    shapes = (1 if shared else 3, 101, inputs), (3, inputs, taps * channels), (3, 1, taps * channels)
    given = [torch.randn(shape) for shape in shapes]

    def found(values: list[Tensor], function: Callable[..., Sequence[Tensor]]) -> list[Tensor]:
        values = [each.detach().requires_grad_() for each in values]
        cells, first, second = function(*values)
        loss = cells.sin().sum() + first.square().sum() * 40 + (second[..., :1] * 40).square().sum()
        return [cells, first, second, *torch.autograd.grad(loss, values)]

    def by_kernel(x: Tensor, weight: Tensor, bias: Tensor) -> Sequence[Tensor]:
        cells, of_cells = unfold(x, weight, bias, taps, wanted=True)
        assert "_Unfolded" in type(cells.grad_fn).__name__
        assert of_cells is not None
        without, none = unfold(x, weight, bias, taps, wanted=False)
        assert none is None
        assert torch.equal(without, cells)
        return cells, *of_cells

    mine = found(given, by_kernel)
    assert_near(mine, found([v.double() for v in given], lambda *v: plainly_unfolded(*v, taps)))
    # Without moments their gradients are none.
    one, other = ([each.detach().requires_grad_() for each in given] for _ in range(2))
    unfold(*one, taps, wanted=False)[0].sin().sum().backward()
    plainly_unfolded(*other, taps)[0].sin().sum().backward()
    for mine_too, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(mine_too.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def windows_of(images: Tensor, windows: Windows) -> Tensor:
    """``(tracks, phrases, bars, steps, pitches, planes * high * wide)``."""
    return images.unfold(3, windows.steps, 1).unfold(4, windows.pitches, 1).flatten(-3)


def plainly_given(images: Tensor, weight: Tensor, bias: Tensor, second: Tensor, windows: Windows) -> Tensor:
    """A convolution, a ReLU and a transposed convolution of each track, the latter cut to the roll."""
    high, wide, below, right = windows
    tracks, _, _, _, _, planes = images.shape
    found = []
    for track in range(tracks):
        x = images[track].flatten(0, 1).permute(0, 3, 1, 2)
        kernel, other = (v[track].T.reshape(-1, planes, high, wide) for v in (weight, second))
        hidden = torch.relu(F.conv2d(x, kernel, bias[track, 0]))
        whole = F.conv_transpose2d(hidden, other)
        steps, pitches = hidden.shape[2:]
        found.append(whole[:, :, below : below + steps, right : right + pitches].unflatten(0, images.shape[1:3]))
    return torch.stack(found)


@needs_kernels
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("windows", "planes", "steps", "pitches", "channels"),
    [
        ((3, 12, 1, 6), 1, 8, 84, 64),
        ((3, 12, 1, 6), 2, 5, 13, 19),
        ((2, 3, 1, 1), 3, 1, 1, 2),
        ((1, 1, 0, 0), 1, 2, 9, 1),
    ],
)
def test_refining_is_convolutions(
    windows: tuple[int, int, int, int],
    planes: int,
    steps: int,
    pitches: int,
    channels: int,
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    torch.manual_seed(0)
    kind = Windows(*windows)
    size = planes * kind.steps * kind.pitches
    images = torch.randn(2, 3, 2, steps + kind.steps - 1, pitches + kind.pitches - 1, planes)
    weight, second = (
        torch.randn(2, size, channels) / size**0.5,
        torch.randn(2, size, channels) / (size * channels) ** 0.5,
    )
    given = [images, weight, torch.randn(2, 1, channels), second]
    assert refining.KERNEL.serves(*given)

    def found(
        values: list[Tensor], function: Callable[..., Tensor], moments: Callable[..., Sequence[Tensor]]
    ) -> list[Tensor]:
        values = [each.detach().requires_grad_() for each in values]
        out, (first, second) = function(*values, kind), moments(values[0], kind)
        of_values = torch.autograd.grad(out.sin().sum(), values)
        of_moments = torch.autograd.grad(first.square().sum() + second[..., :1].square().sum(), values[0])
        return [out, first, second, *of_values, *of_moments]

    def plain_moments(x: Tensor, windows: Windows) -> Sequence[Tensor]:
        each = windows_of(x, windows).flatten(1, 4)
        return each.mean(1), (each.unsqueeze(-1) * each.unsqueeze(-2)).mean(1)

    mine = found(given, give, window_moments)
    assert_near(mine, found([each.double() for each in given], plainly_given, plain_moments))


@needs_kernels
@pytest.mark.parametrize("training", [True, False])
def test_a_residual_unit_is_the_same_without_the_kernel(training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    shape = RollShape(track_set="lpd-5", resolution=4, bars=2, steps=16, encoding="onset")
    unit = ResidualUnit(NetworkConfig(width=0.3), Plan.of(shape), last=True).train(training)
    before = {name: values.clone() for name, values in unit.state_dict().items()}
    x = torch.rand(5, 3, 2, 2, 16, unit.plan.pitches)

    def found() -> list[Tensor]:
        unit.load_state_dict(before)
        unit.zero_grad()
        given = x.clone().requires_grad_()
        out = unit(given)
        out.sin().sum().backward()
        gradients = [weight.grad for weight in (given, *unit.parameters()) if weight.grad is not None]
        return [out, *gradients, *(values.clone() for values in unit.buffers())]

    served = found()
    monkeypatch.setattr(refining.KERNEL, "library", None)
    for one, other in zip(served, found(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5 * float(other.detach().abs().max()))


@needs_kernels
def test_kernels_hide_no_nan() -> None:
    torch.manual_seed(0)
    for place in range(11):
        weights = weights_of(2, 2, 12, 1, 8, 8)
        weights[place][1] = float("nan")
        out = pass_pieces(torch.randn(2, 30, 2, 12, 1), Weights(*weights), SLOPE)
        assert bool(out[1].isnan().all())
        assert bool(out[0].isfinite().all())
    cells, _ = unfold(torch.full((1, 4, 3), torch.nan), torch.randn(2, 3, 8), torch.randn(2, 1, 8), 2, wanted=True)
    assert bool(cells.isnan().all())


@needs_kernels
@pytest.mark.parametrize("why", ["double", "bfloat16", "no library"])
def test_unfolding_without_the_kernel(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    given = [torch.randn(1, 10, 4), torch.randn(2, 4, 6), torch.randn(2, 1, 6)]
    if why == "double":
        given = [values.double() for values in given]
    if why == "no library":
        monkeypatch.setattr(unfolding.KERNEL, "library", None)
    with torch.autocast("cpu", torch.bfloat16, enabled=why == "bfloat16"):
        cells, of_cells = unfold(*(values.requires_grad_() for values in given), 2, wanted=True)
    assert "_Unfolded" not in type(cells.grad_fn).__name__
    assert of_cells is not None
    loose = 0.05 if why == "bfloat16" else 1e-5
    for mine, theirs in zip((cells, *of_cells), plainly_unfolded(*(v.double() for v in given), 2), strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=loose, atol=4 * loose)


@needs_kernels
def test_kernels_in_many_threads_at_once() -> None:
    """Callers don't share what a kernel works in."""
    torch.manual_seed(0)
    weights = Weights(*weights_of(2, 6, 12, 1, 32, 64))
    given = [torch.randn(2, 60, 6, 12, 1) for _ in range(16)]
    expected = [pass_pieces(pieces, weights, SLOPE) for pieces in given]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(
            pool.map(lambda pieces: pass_pieces(pieces, weights, SLOPE), given), expected, strict=True
        ):
            assert torch.equal(one, other)


@needs_kernels
def test_threads_give_the_same_bits_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    monkeypatch.setattr(private, "_SHARE", 10)
    torch.manual_seed(0)
    pieces, weights = torch.randn(2, 333, 6, 12, 1), weights_of(2, 6, 12, 1, 32, 64)

    def found() -> list[Tensor]:
        return all_gradients(lambda x, w: pass_pieces(x, Weights(*w), SLOPE), pieces, weights)

    first = found()
    for _ in range(5):
        assert all(torch.equal(one, other) for one, other in zip(first, found(), strict=True))


@needs_kernels
def test_an_error_in_one_share_waits_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    ended = []

    def share(begin: int, end: int) -> None:
        if begin == 0:
            raise MemoryError
        time.sleep(0.1)
        ended.append((begin, end))

    with pytest.raises(MemoryError):
        passes._in_shares(share, 9, 1)
    assert sorted(ended) == [(3, 6), (6, 9)]
