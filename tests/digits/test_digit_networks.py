"""Networks have the layer sizes and numbers of weights of the papers' tables; presets and objectives train."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bgmusic.digits.data import load_digits
from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.digits.networks import Discriminator, Generator, Scale, match_pixel_rates
from bgmusic.digits.samples import preactivated, sample
from bgmusic.digits.train import make_game
from bgmusic.errors import UserError
from bgmusic.yaml import load_preset, merge, presets, validate

SIZES = {
    "mlp": ([(1024,), (784,)], [(512,), (256,), (1,)]),
    "cnn": (
        [(128, 2, 2), (64, 6, 6), (32, 13, 13), (1, 28, 28)],
        [(32, 26, 26), (64, 11, 11), (128,), (1,)],
    ),
}
POOLED = {"mlp": [], "cnn": [(32, 13, 13), (64, 6, 6)]}
BODIES = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def a_config(**changes: object) -> DigitsConfig:
    return validate(DigitsConfig, merge(load_preset("mnist", "paper"), changes), "paper")


def output_sizes(model: nn.Module, layers: tuple[type[nn.Module], ...], inputs: torch.Tensor) -> list[tuple[int, ...]]:
    sizes: list[tuple[int, ...]] = []
    for module in model.modules():
        if isinstance(module, layers):
            module.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    model(inputs)
    return sizes


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_layer_sizes_equal_the_tables(kind: str) -> None:
    config = a_config(network={"kind": kind})
    of_g, of_d = SIZES[kind]
    assert output_sizes(Generator(config), BODIES, torch.randn(3, 128)) == of_g
    assert output_sizes(Discriminator(config), BODIES, torch.zeros(3, 28, 28)) == of_d
    assert output_sizes(Discriminator(config), (nn.MaxPool2d,), torch.zeros(3, 28, 28)) == POOLED[kind]


@pytest.mark.parametrize(("kind", "weights"), [("mlp", 1_472_817), ("cnn", 530_212)])
@pytest.mark.parametrize("norm", ["batch", "scale"])
def test_numbers_of_weights_equal_the_papers(kind: str, weights: int, norm: str) -> None:
    config = a_config(network={"kind": kind, "g_norm": norm, "output_norm": norm, "output_offset": "zero"})
    networks = Generator(config), Discriminator(config)
    assert sum(weight.numel() for network in networks for weight in network.parameters()) == weights


def test_norms_are_where_the_paper_has_them() -> None:
    names = [type(layer).__name__ for layer in Generator(a_config()).body]  # type: ignore[arg-type,union-attr]
    assert names == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    d = Discriminator(a_config(network={"d_norm": "batch"}))
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in d.modules()) == 2
    assert not any(isinstance(layer, (nn.BatchNorm1d, Scale)) for layer in Discriminator(a_config()).modules())


@pytest.mark.parametrize("channels", [(5, 7), (5, 7, 4, 4)])
def test_scale_equals_batch_norm_without_normalization(channels: tuple[int, ...]) -> None:
    scale = Scale(7)
    norm = nn.BatchNorm2d(7, eps=0) if len(channels) == 4 else nn.BatchNorm1d(7, eps=0)
    with torch.no_grad():
        for module in (scale, norm):
            module.weight.copy_(torch.arange(7))
            module.bias.copy_(-torch.arange(7))
    x = torch.randn(channels)
    torch.testing.assert_close(scale(x), norm.eval()(x))


@pytest.mark.slow
@pytest.mark.parametrize(("neuron", "within"), [("dbn", 0.01), ("sbn", 0.02)])
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_untrained_samples_match_the_pixel_rates_of_data(kind: str, neuron: str, within: float) -> None:
    config = a_config(network={"kind": kind, "output_offset": "data"}, neuron=neuron)
    generator = make_game(config, seed=0).generator
    with torch.no_grad():
        lit = generator(torch.randn(4000, 128), generator=torch.Generator().manual_seed(0)).mean(0).numpy()
    wanted = load_digits("train").images().mean(0)
    if kind == "mlp":
        assert np.abs(lit - wanted).mean() < within
        assert np.abs(lit - wanted).max() < 0.06  # 4 standard errors of a pixel are 0.03; logits are not quite normal
    # The CNN has one offset for all pixels, whose pooled logits are farther from normal.
    assert lit.mean() == pytest.approx(wanted.mean(), abs=0.02 if kind == "mlp" else 0.04)


def test_offsets_from_data_need_a_norm() -> None:
    with pytest.raises(UserError, match="output_norm=batch"):
        a_config(network={"output_norm": "none", "output_offset": "data"})


@pytest.mark.parametrize("neuron", ["dbn", "sbn", "real"])
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_samples_are_binary_and_reproducible(kind: str, neuron: str) -> None:
    torch.manual_seed(0)
    generator = Generator(a_config(network={"kind": kind}, neuron=neuron))
    for binarize in ("ht", "bs"):
        digits = sample(generator, 5, 3, binarize)
        assert digits.shape == (5, 28, 28)
        assert digits.dtype == np.uint8
        assert set(np.unique(digits)) == {0, 1}
        np.testing.assert_array_equal(digits, sample(generator, 5, 3, binarize))
        assert (digits != sample(generator, 5, 4, binarize)).any()
    assert generator.training
    odds = preactivated(generator, 5, 3)
    if neuron != "sbn":
        np.testing.assert_array_equal(sample(generator, 5, 3), odds > 0.5)
    with pytest.raises(UserError, match="binarize is ht or bs"):
        sample(generator, 1, 0, "xx")


def test_embedded_digits_are_complete() -> None:
    train, test = load_digits("train"), load_digits("test")
    assert train.images().shape == (60_000, 28, 28)
    assert test.images().shape == (10_000, 28, 28)
    assert train.images().mean() == pytest.approx(0.1912, abs=5e-5)
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # MNIST's own
    with pytest.raises(ValueError, match="parts train and test"):
        load_digits("validation")


@pytest.mark.parametrize("name", sorted(presets("mnist")))
def test_every_preset_trains(name: str) -> None:
    values = merge(load_preset("mnist", name), {"training": {"warmup": None, "steps": 2}})
    game = make_game(validate(DigitsConfig, values, name), seed=0)
    before = [weight.detach().clone() for weight in game.generator.parameters()]
    game.run()
    game.check()
    assert any(not torch.equal(a, b) for a, b in zip(before, game.generator.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("objective", sorted(presets("mnist/objectives")))
@pytest.mark.parametrize("neuron", ["dbn", "sbn", "real"])
def test_every_objective_trains_every_neuron(objective: str, neuron: str) -> None:
    values = merge(load_preset("mnist", "paper"), load_preset("mnist/objectives", objective))
    small = {"training": {"warmup": None, "steps": 2, "batch": 8}, "neuron": neuron}
    small["network"] = {"g_widths": [8], "d_widths": [8]}
    game = make_game(validate(DigitsConfig, merge(values, small), objective), seed=0)
    game.run()
    game.check()


def test_too_large_networks_are_rejected() -> None:
    config = a_config(network={"g_widths": [16_384] * 16})
    with pytest.raises(UserError, match=r"networks of [\d,]+ weights; at most"):
        make_game(config, seed=0)


def test_held_out_digits_are_never_sampled() -> None:
    game = make_game(a_config(), seed=0, holdout=59_999)
    first = torch.from_numpy(load_digits("train").images()[0]).float()
    assert torch.equal(game.source.batch(3), first.expand(3, -1, -1))


def test_wrong_holdouts_and_rates_are_rejected() -> None:
    for holdout in (-1, 60_000):
        with pytest.raises(ValueError, match="holdout"):
            make_game(a_config(), seed=0, holdout=holdout)
    generator = Generator(a_config())
    with pytest.raises(ValueError, match="shape"):
        match_pixel_rates(generator, torch.full((784,), 0.5))
    for rate in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="strictly between"):
            match_pixel_rates(generator, torch.full((28, 28), rate))
    bare = Generator(a_config(network={"output_norm": "none", "output_offset": "zero"}))
    with pytest.raises(ValueError, match="output_norm=batch"):
        match_pixel_rates(bare, torch.full((28, 28), 0.5))
