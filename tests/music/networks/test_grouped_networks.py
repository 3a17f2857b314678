"""Test that networks of all tracks equal a loop over tracks: values, gradients, and gradients of gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import track_loops
from torch import Tensor, nn

from bgmusic.music.networks.musegan import grouped, refiner, relu_merge, silent_pieces
from bgmusic.music.networks.musegan.discriminator import Discriminator, MainStream
from bgmusic.music.networks.musegan.generator import PrivateGenerator
from bgmusic.music.networks.musegan.grouped import GroupedNormLinear
from bgmusic.music.networks.musegan.refiner import Refiner
from bgmusic.music.networks.musegan.sizes import MuseGANSizes
from bgmusic.music.networks.pianoroll_config import MuseGANConfig
from bgmusic.music.rolls.shape import RollShape

SHAPES = {
    "lpd-5": RollShape(track_set="lpd-5", resolution=6, bars=2, steps=12, encoding="pause"),
    "satb with onsets": RollShape(track_set="satb", resolution=4, bars=2, steps=16, encoding="onset"),
    "seven eighths": RollShape(track_set="lpd-5", resolution=4, bars=1, steps=14, encoding="onset"),
}
SMALL = MuseGANConfig(width=0.07)


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def sizes(request: pytest.FixtureRequest) -> MuseGANSizes:
    torch.manual_seed(0)
    return MuseGANSizes(request.param)


def _perturbed(network: nn.Module) -> nn.Module:
    """Convert to double and move all weights from their initial values (a scale of 1 would hide an error)."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.3)
    return network.double()


def _agree(network: nn.Module, reference: Callable[[Tensor], Tensor], x: Tensor) -> None:
    x.requires_grad_()
    weights = [x, *network.parameters()]
    result, expected = network(x), reference(x)
    torch.testing.assert_close(result, expected)
    towards = torch.randn_like(result)
    for one, other in zip(
        torch.autograd.grad(result, weights, towards), torch.autograd.grad(expected, weights, towards), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_private_generator(sizes: MuseGANSizes) -> None:
    network = _perturbed(PrivateGenerator(SMALL, sizes))
    shared = torch.randn(3, 4, sizes.shape.bars, sizes.shape.beats * sizes.parts, sizes.octaves, dtype=torch.double)
    _agree(network, lambda x: track_loops.generator(network, x), shared)


def test_refiner(sizes: MuseGANSizes) -> None:
    network = _perturbed(Refiner(SMALL, sizes))
    outputs = torch.rand(
        2, sizes.shape.channels, sizes.shape.bars, sizes.shape.steps, sizes.shape.pitches, dtype=torch.double
    )
    _agree(network, lambda x: track_loops.refiner(network, x), outputs)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_of_any_size_give_the_same(sizes: MuseGANSizes, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Compare values and gradients."""
    monkeypatch.setattr(relu_merge, "PIECE", size)
    monkeypatch.setattr(
        refiner, "PIECE", size * sizes.tracks * sizes.shape.bars * sizes.shape.steps * sizes.shape.pitches // 5
    )
    test_private_generator(sizes)
    test_refiner(sizes)


def test_sums_in_parts_as_on_a_gpu_are_the_same(sizes: MuseGANSizes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare values, gradients and gradients of gradients, also where the parts leave a remainder."""
    monkeypatch.setattr(grouped, "_in_parts", lambda x: True)
    test_private_generator(sizes)
    test_refiner(sizes)
    test_discriminator(sizes)
    test_discriminator_differentiates_twice(sizes)


def _sparse(sizes: MuseGANSizes) -> Tensor:
    """Draw rolls with mostly silent pieces, and one silent track, from torch's global generator."""
    rolls = (
        torch.rand(3, sizes.shape.channels, sizes.shape.bars, sizes.shape.steps, sizes.shape.pitches) < 0.02
    ).double()
    parts = torch.rand(3, sizes.shape.channels, sizes.shape.bars, sizes.shape.beats * sizes.parts, 1, 1) < 0.3
    rolls *= parts.expand(*parts.shape[:4], sizes.ticks, sizes.shape.pitches).flatten(3, 4)
    rolls[:, :: sizes.tracks] = 0
    return rolls


@pytest.mark.parametrize("rolls", ["sparse", "silent", "full"])
def test_dropping_silent_pieces_changes_nothing(
    sizes: MuseGANSizes, monkeypatch: pytest.MonkeyPatch, rolls: str
) -> None:
    """Compare scores and gradients with and without, and count the pieces that are computed."""
    network = _perturbed(Discriminator(SMALL, sizes.shape))
    x = _sparse(sizes)
    x = {"sparse": x, "silent": torch.zeros_like(x), "full": torch.ones_like(x)}[rolls]
    counts: list[int] = []
    stream = network.streams[0]
    stream.pitch_time[0].register_forward_pre_hook(lambda _, inputs: counts.append(inputs[0].shape[1]))
    weights, found = list(network.parameters()), []
    for share in (0.9, 0.0):
        monkeypatch.setattr(silent_pieces, "_MAX_KEPT", share)
        scores = network(x)
        found.append((scores, *torch.autograd.grad(scores.sin().sum(), weights)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
    all_pieces = 3 * sizes.shape.bars * sizes.shape.beats * sizes.parts * sizes.octaves
    assert counts[1] == all_pieces
    assert {"sparse": 1 < counts[0] < 0.9 * all_pieces, "silent": counts[0] == 1, "full": counts[0] == all_pieces}[
        rolls
    ]


def test_places_restore_all_pieces() -> None:
    pieces = torch.tensor([[0.0, 3, 0, 5, 0, 0], [0, 0, 0, 0, 0, 7]]).view(2, 6, 1)
    kept, places = silent_pieces.drop_silent_pieces(pieces)
    assert kept.flatten(1).tolist() == [[3, 5, 0], [7, 0, 0]]
    assert places is not None
    assert torch.equal(torch.stack([of_track[where] for of_track, where in zip(kept, places, strict=True)]), pieces)
    # If the pieces need a gradient, all are kept.
    all_pieces, places = silent_pieces.drop_silent_pieces(pieces.clone().requires_grad_())
    assert places is None
    assert all_pieces.shape == pieces.shape


@pytest.mark.parametrize("dim", [1, -2])
@pytest.mark.parametrize(("size", "kernel", "stride"), [(7, 3, 2), (4, 2, 1), (6, 3, 2), (1, 1, 2)])
def test_overlapping_patches_are_torchs(dim: int, size: int, kernel: int, stride: int) -> None:
    shape = (2, size, 3) if dim == 1 else (2, 4, size, 3)
    x = torch.randn(shape, dtype=torch.double)
    expected = x.unfold(dim, kernel, stride).transpose(-1, -2).flatten(-2)
    assert torch.equal(grouped.overlapping(x, dim, kernel, stride), expected)
    assert torch.autograd.gradcheck(
        lambda x: grouped.overlapping(x, dim, kernel, stride), x.requires_grad_(), fast_mode=True
    )


def test_discriminator(sizes: MuseGANSizes) -> None:
    network = _perturbed(MainStream(0.07, sizes))
    rolls = torch.rand(
        2, sizes.shape.planes, sizes.tracks, sizes.shape.bars, sizes.shape.steps, sizes.rows, dtype=torch.double
    )
    _agree(network, lambda x: track_loops.main_stream(network, x).contiguous(), rolls)


def test_discriminator_differentiates_twice(sizes: MuseGANSizes) -> None:
    network = _perturbed(MainStream(0.07, sizes))
    rolls = torch.rand(
        2, sizes.shape.planes, sizes.tracks, sizes.shape.bars, sizes.shape.steps, sizes.rows, dtype=torch.double
    )
    rolls.requires_grad_()
    weights = [weight for name, weight in network.named_parameters() if name.endswith("weight")]
    penalties = []
    for outputs in (network(rolls), track_loops.main_stream(network, rolls)):
        (gradient,) = torch.autograd.grad(outputs.square().sum(), rolls, create_graph=True)
        penalties.append(torch.autograd.grad((gradient.flatten(1).norm(dim=1) - 1).square().mean(), weights))
    for one, other in zip(*penalties, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("taps", [1, 3])
def test_folded_batch_norm_is_batch_norm(taps: int) -> None:
    """Compare outputs in both modes, and running statistics."""
    torch.manual_seed(1)
    layer = _perturbed(GroupedNormLinear(2, 4, taps, 5))
    norms = [nn.BatchNorm1d(5).double() for _ in range(2)]
    for track, norm in enumerate(norms):
        norm.weight.data, norm.bias.data = layer.scale[track].detach(), layer.offset[track].detach()
    for mode in (True, True, False):
        layer.train(mode)
        x = torch.randn(2, 50, 4, dtype=torch.double) * 2 + 1
        expected, outputs_of_all = [], layer(x)
        for track, norm in enumerate(norms):
            norm.train(mode)
            outputs = torch.einsum("mi,ito->mto", x[track], layer.weight[track])
            expected.append(norm(outputs.reshape(-1, 5)))
            torch.testing.assert_close(layer.running_mean[track], norm.running_mean)
            torch.testing.assert_close(layer.running_var[track], norm.running_var)
        torch.testing.assert_close(outputs_of_all, torch.stack(expected))


def test_a_constant_input_gives_no_nan() -> None:
    """Rounding can make a folded variance negative; the outputs stay the offsets."""
    layer = GroupedNormLinear(1, 4, 1, 3)
    layer.offset.data.fill_(0.7)
    outputs = layer(torch.full((1, 1000, 4), 3.3))
    torch.testing.assert_close(outputs, torch.full((1, 1000, 3), 0.7), atol=0.05, rtol=0)
