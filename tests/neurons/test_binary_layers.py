"""Binary dense and convolutional layers, and the bits bottleneck."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.neurons import (
    SBN,
    BinaryConv1d,
    BinaryConv2d,
    BinaryConv3d,
    BinaryDense,
    BitsBottleneck,
    Thresholded,
    from_integers,
    to_integers,
)

CASES = {
    "dense": (BinaryDense(6, 4), (5, 6), F.linear, 1),
    "dense over steps": (BinaryDense(6, 4), (5, 3, 6), F.linear, 2),
    "conv1d": (BinaryConv1d(2, 4, 3, padding=1), (5, 2, 7), lambda x, w: F.conv1d(x, w, padding=1), 1),
    "conv2d": (BinaryConv2d(2, 4, (3, 2), stride=2), (5, 2, 7, 8), lambda x, w: F.conv2d(x, w, stride=2), 1),
    "conv3d": (BinaryConv3d(2, 4, 2, groups=2), (5, 2, 3, 4, 5), lambda x, w: F.conv3d(x, w, groups=2), 1),
}


@pytest.mark.parametrize("case", CASES)
def test_a_unit_fires_where_its_input_exceeds_its_threshold(case: str) -> None:
    layer, shape, linear, axis = CASES[case]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        layer.threshold.copy_(torch.tensor([-1.0, 0.0, 0.3, 100.0]))
    x = torch.randn(shape, generator=generator)
    activation = linear(x, layer.linear.weight).movedim(axis, -1)
    bits = layer(x).movedim(axis, -1)
    assert torch.equal(bits, (activation > layer.threshold).float())
    assert bits[..., 3].sum() == 0
    assert 0 < bits.mean() < 1


def test_thresholds_and_weights_get_the_sigmoid_adjusted_gradient() -> None:
    layer = BinaryDense(6, 4)
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    layer(x).sum().backward()
    p = torch.sigmoid(x @ layer.linear.weight.detach().T)  # type: ignore[operator]
    slopes = p * (1 - p)
    torch.testing.assert_close(layer.threshold.grad, -slopes.sum(0))
    torch.testing.assert_close(layer.linear.weight.grad, slopes.T @ x)


def test_any_linear_layer_can_be_thresholded_and_any_neuron_decides() -> None:
    layer = Thresholded(nn.ConvTranspose1d(3, 4, 2, stride=2, bias=False), 4, 1, SBN())
    x = torch.zeros(100, 3, 50)
    bits = layer(x, torch.Generator().manual_seed(0))
    assert bits.shape == (100, 4, 100)
    assert float(bits.detach().mean()) == pytest.approx(0.5, abs=0.02)
    assert torch.equal(bits, layer(x, torch.Generator().manual_seed(0)))


def test_a_dense_layer_learns_a_threshold_function() -> None:
    # Majority of seven bits, from random weights. All gradients pass through the neuron.
    torch.manual_seed(0)
    x = torch.randint(0, 2, (512, 7)).float()
    target = (x.sum(1) > 3).float()
    layer = BinaryDense(7, 1)
    optimizer = torch.optim.Adam(layer.parameters(), 0.05)
    for _ in range(200):
        loss = (layer(x)[:, 0] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.equal(layer(x)[:, 0], target)


def test_bottleneck_decodes_its_code_and_codes_edited_by_hand() -> None:
    bottleneck = BitsBottleneck(6, 3)
    x = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0))
    features, code = bottleneck(x, torch.Generator().manual_seed(1))
    assert features.shape == x.shape
    assert code.shape == (4, 5, 3)
    assert set(code.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(code, bottleneck.encode(x, torch.Generator().manual_seed(1)))
    flipped = code.clone()
    flipped[..., 1] = 1 - flipped[..., 1]
    change = bottleneck.decode(flipped) - features
    expected = (2 * flipped - 1 - (2 * code - 1))[..., 1:2] * bottleneck.decoder.weight[:, 1]
    torch.testing.assert_close(change, expected)


def test_imbalance_is_computed_from_the_neurons_probabilities() -> None:
    bottleneck = BitsBottleneck(6, 3, SBN(slope=3.0))
    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    p = torch.sigmoid(3 * bottleneck.logits(x)).mean(0)
    torch.testing.assert_close(bottleneck.imbalance(x), (2 * p - 1).square().mean())


@pytest.mark.parametrize("kind", [BinaryConv1d, BinaryConv2d, BinaryConv3d])
def test_options_are_passed_to_torchs_convolutions(kind: Any) -> None:
    layer = kind(2, 4, kernel_size=3, stride=2, device="meta", dtype=torch.float64)
    assert layer.linear.stride[0] == 2
    for weight in layer.parameters():
        assert weight.is_meta
        assert weight.dtype == torch.float64
    with pytest.raises(TypeError, match="thresholds in place of a bias"):
        kind(2, 4, 3, bias=False)


def test_dense_layer_has_the_requested_device_and_type() -> None:
    for weight in BinaryDense(in_features=2, out_features=3, device="meta", dtype=torch.float16).parameters():
        assert weight.is_meta
        assert weight.dtype == torch.float16


def test_imbalance_is_one_for_constant_bits_and_can_be_minimised() -> None:
    bottleneck = BitsBottleneck(6, 3)
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        bottleneck.encoder.bias.fill_(100)
    assert float(bottleneck.imbalance(x).detach()) == pytest.approx(1)
    with torch.no_grad():
        bottleneck.encoder.bias.fill_(2)
    optimizer = torch.optim.Adam(bottleneck.parameters(), 0.1)
    for _ in range(100):
        optimizer.zero_grad()
        bottleneck.imbalance(x).backward()
        optimizer.step()
    assert float(bottleneck.imbalance(x).detach()) < 0.01


@given(st.lists(st.integers(0, 2**62 - 1), min_size=1, max_size=20))
def test_integers_and_codes_convert_back_and_forth(numbers: list[int]) -> None:
    integers = torch.tensor(numbers)
    code = from_integers(integers, 62)
    assert code.shape == (len(numbers), 62)
    assert torch.equal(to_integers(code), integers)
    assert [int("".join(str(int(bit)) for bit in row.flip(0)), 2) for row in code] == numbers


@pytest.mark.parametrize(
    ("integers", "bits"), [(torch.tensor([8]), 3), (torch.tensor([-1]), 3), (torch.tensor([0]), 63)]
)
def test_integers_out_of_range_are_refused(integers: Tensor, bits: int) -> None:
    with pytest.raises(ValueError, match="bits"):
        from_integers(integers, bits)
    with pytest.raises(ValueError, match="62 bits"):
        to_integers(torch.zeros(2, 63))


def test_codes_accept_bools_and_round_relaxed_values() -> None:
    code = torch.tensor([[True, False, True], [False, False, True]])
    assert to_integers(code).tolist() == [5, 4]
    assert to_integers(torch.tensor([0.9, 0.2, 0.5])).tolist() == 1


@pytest.mark.parametrize("code", [torch.tensor([0.0, 2.0]), torch.tensor([-1.0, 1.0]), torch.tensor([torch.nan])])
def test_codes_with_other_values_are_refused(code: Tensor) -> None:
    with pytest.raises(ValueError, match="zeros and ones"):
        to_integers(code)


def test_codes_of_the_wrong_shape_or_type_are_refused() -> None:
    with pytest.raises(ValueError, match="0-d"):
        to_integers(torch.tensor(1.0))
    for integers in (torch.tensor([1.0]), torch.tensor([True])):
        with pytest.raises(ValueError, match=str(integers.dtype)):
            from_integers(integers, 3)
    assert from_integers(torch.tensor([3], dtype=torch.uint8), 10).tolist() == [[1, 1, *[0] * 8]]


def test_a_linear_layer_with_other_channels_is_refused() -> None:
    for layer in (Thresholded(nn.Linear(3, 4, bias=False), 1), Thresholded(nn.Linear(3, 4, bias=False), 4, dims=1)):
        with pytest.raises(ValueError, match=r"\(2, 4\)"):
            layer(torch.zeros(2, 3))


@pytest.mark.parametrize("neuron", ["sbn", SBN, nn.ReLU()], ids=str)
def test_what_is_no_neuron_is_refused(neuron: object) -> None:
    with pytest.raises(TypeError, match="neuron"):
        BinaryDense(5, 3, neuron)
