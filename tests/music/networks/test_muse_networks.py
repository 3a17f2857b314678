"""Test that BinaryMuseGAN's networks have the paper's layers: parameters, shapes, receptive fields, streams' inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bgmusic.music.networks.musegan.discriminator import ChromaStream, Discriminator, OnsetStream
from bgmusic.music.networks.musegan.generator import Generator, PrivateGenerator, SharedGenerator
from bgmusic.music.networks.musegan.refiner import Refiner
from bgmusic.music.networks.musegan.sizes import MuseGANSizes
from bgmusic.music.networks.pianoroll_config import MuseGANConfig, PianorollConfig
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import TrackSet

LPD_8 = RollShape(track_set="lpd-8", resolution=24, bars=4, steps=96, encoding="pause")
TRACKS = 8

# (inputs, outputs, kernel's size), from the paper's tables.
G_SHARED = [(512, 256, 2), (256, 128, 4), (128, 128, 3), (128, 64, 4), (64, 64, 3)]
G_PRIVATE = [(64, 64, 12), (64, 32, 6), (64, 64, 6), (64, 32, 12), (64, 1, 1)]
R_UNIT = [(1, 64, 36), (64, 1, 36)]
D_PRIVATE = [(1, 32, 12), (32, 64, 6), (1, 32, 6), (32, 64, 12), (128, 64, 1)]
D_SHARED = [(64 * TRACKS, 128, 12), (128, 256, 12)]
D_ONSET = [(TRACKS, 32, 6), (32, 64, 4), (64, 128, 4)]
D_CHROMA = [(TRACKS, 64, 12), (64, 128, 4)]
D_ABLATED_2 = [(TRACKS, 128, 12), (128, 128, 3), (128, 256, 6), (256, 256, 4), (256, 512, 3), (512, 512, 4)]
D_ABLATED_2 += [(512, 1024, 2), (3 * 1024, 1, 1)]


def weights(layers: list[tuple[int, int, int]], biases: bool) -> int:
    return sum(inputs * outputs * size + biases * outputs for inputs, outputs, size in layers)


def normed(layers: list[tuple[int, int, int]]) -> int:
    """Layers with batch norm, which need no bias."""
    return weights(layers, biases=False) + sum(2 * outputs for _, outputs, _ in layers)


def merged(bar: int) -> int:
    return weights([(bar, 512, 2), (3 * 512, 1, 1)], biases=True)


EXPECTED_D = {
    "full": TRACKS * weights(D_PRIVATE, True) + weights(D_SHARED + D_ONSET + D_CHROMA, True) + merged(512),
    "ablated-1": TRACKS * weights(D_PRIVATE, True) + weights(D_SHARED, True) + merged(256),
    "ablated-2": weights(D_ABLATED_2, True),
}


def size(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def config_of(network: MuseGANConfig, **values: Any) -> PianorollConfig:
    return PianorollConfig(network=network, neuron="dbn", **values)


def on_meta(network: MuseGANConfig) -> tuple[Generator, Discriminator]:
    """Networks without memory, in evaluation mode since there are no numbers to take statistics of."""
    with torch.device("meta"):
        return Generator(config_of(network), LPD_8).eval(), Discriminator(network, LPD_8)


@pytest.mark.parametrize("first", [512, 256], ids=["proposed", "small"])
def test_generator_has_the_papers_parameters(first: int) -> None:
    generator, _ = on_meta(MuseGANConfig(first=first))
    shared = [(first, 256, 2), *G_SHARED[1:]]
    assert size(generator.body) == normed([(128, 3 * first, 1), *shared]) + TRACKS * normed(G_PRIVATE)
    # Before each convolution a norm; on the way back to one channel, a bias.
    unit = 2 + normed(R_UNIT[:1]) + weights(R_UNIT[1:], True)
    assert size(generator.refiner) == TRACKS * 2 * unit


@pytest.mark.parametrize("form", EXPECTED_D)
def test_discriminator_has_the_papers_parameters(form: str) -> None:
    _, discriminator = on_meta(MuseGANConfig(discriminator=form))
    assert size(discriminator) == EXPECTED_D[form]


def test_shapes_inside_are_the_papers() -> None:
    sizes = MuseGANSizes(LPD_8)
    assert (sizes.shape.beats, sizes.parts, sizes.ticks) == (4, 4, 6)
    assert (sizes.octaves, sizes.regions, sizes.region_kernel) == (7, 3, 3)
    assert (sizes.bar_seeds, sizes.bar_kernel) == (3, 2)
    generator, discriminator = on_meta(MuseGANConfig())
    noise = torch.empty(2, 128, device="meta")
    shared = generator.body[0](noise)
    assert shared.shape == (2, 64, 4, 16, 7)
    phrases = generator(noise)
    assert phrases.shape == (2, 8, 4, 96, 84)
    rolls = phrases.unsqueeze(1)
    widths = [stream(rolls).shape for stream in discriminator.streams]
    assert widths == [(2, 4, 256), (2, 4, 128), (2, 4, 128)]
    assert discriminator(phrases).shape == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("pitches", [1, 12, 13, 48, 60, 84, 100, 128])
@pytest.mark.parametrize(("resolution", "steps"), [(4, 16), (12, 36), (5, 20), (4, 14), (1, 1)])
def test_any_grid(pitches: int, resolution: int, steps: int) -> None:
    tracks = TrackSet("one", TrackSet.load("lpd-5").with_grid(0, 128).tracks[1:3], 0, pitches)
    for bars, encoding in ((1, "pause"), (3, "onset")):
        shape = RollShape(track_set=tracks, resolution=resolution, bars=bars, steps=steps, encoding=encoding)
        with torch.device("meta"):
            generator = Generator(config_of(MuseGANConfig(width=0.1)), shape).eval()
            phrases = generator(torch.empty(2, 128))
            assert phrases.shape == (2, 2 * (2 if encoding == "onset" else 1), bars, steps, pitches)
            for form in EXPECTED_D:
                assert Discriminator(MuseGANConfig(width=0.1, discriminator=form), shape)(phrases).shape == (2, 1)


def touched(outputs: Tensor, inputs: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(outputs.sum(), inputs)
    return gradient != 0


def extent(mask: Tensor) -> list[int]:
    return [int(where.max() - where.min()) + 1 for where in mask.nonzero().T]


def test_receptive_fields() -> None:
    torch.manual_seed(0)
    sizes = MuseGANSizes(LPD_8)
    small = MuseGANConfig(width=0.07, norm="scale")  # without statistics, which depend on all cells
    private = PrivateGenerator(small, sizes)
    shared = torch.randn(1, 4, 4, 16, 7, requires_grad=True)
    logits = private(shared)
    # A cell sees one cell of the shared network's output: 6 steps, 12 pitches.
    seen = touched(logits[0, 3, 2, 40, 50], shared)[0]
    assert extent(seen) == [4, 1, 1, 1]
    assert seen[:, 2, 40 // 6, 50 // 12].all()
    refiner = Refiner(small, sizes)
    outputs = torch.rand(1, 8, 4, 96, 84, requires_grad=True)
    seen = touched(refiner(outputs)[0, 3, 2, 40, 40], outputs)[0]
    # Four convolutions of 3 x 12, within their own track and bar.
    assert extent(seen) == [1, 1, 1 + 4 * 2, 1 + 4 * 11]
    assert seen[3, 2].any()
    discriminator = Discriminator(MuseGANConfig(width=0.07, discriminator="ablated-1"), LPD_8)
    rolls = torch.rand(1, 1, 8, 4, 96, 84, requires_grad=True)
    bars = discriminator.streams[0](rolls)
    assert extent(touched(bars[0, 2], rolls)[0, 0]) == [8, 1, 96, 84]


def test_onset_stream_gets_beginnings_and_ends() -> None:
    shape = RollShape(track_set="lpd-5", resolution=2, bars=2, steps=8, encoding="pause")
    rolls = torch.zeros(1, 1, 5, 2, 8, 84)
    rolls[0, 0, 1, 0, 3:8, 40] = 1  # piano: a note held over the bar line
    rolls[0, 0, 1, 1, 0:2, 40] = 1
    rolls[0, 0, 0, 1, 5:7, 12] = 1  # two hits of the drums
    seen = OnsetStream(0.1, MuseGANSizes(shape)).view(rolls)
    expected = torch.zeros(1, 5, 2, 8)
    expected[0, 1, 0, 3], expected[0, 1, 1, 2] = 1, -1
    expected[0, 0, 1, 5:7] = 1
    assert torch.equal(seen, expected)


def test_onset_stream_gets_the_onset_plane() -> None:
    shape = RollShape(track_set="satb", resolution=2, bars=1, steps=8, encoding="onset")
    rolls = torch.zeros(1, 2, 4, 1, 8, 48)
    rolls[0, 0, 2, 0, 0:8, 20] = 1
    rolls[0, 1, 2, 0, [0, 4], 20] = 1  # a note and its repetition: equal cells, two onsets
    seen = OnsetStream(0.1, MuseGANSizes(shape)).view(rolls)
    assert seen.shape == (1, 8, 1, 8)
    assert seen[0, 2, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert seen[0, 6, 0].tolist() == [1, 0, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(("low", "pitches"), [(24, 84), (36, 48), (21, 88), (5, 13)])
def test_chroma_stream_gets_pitch_classes(low: int, pitches: int) -> None:
    tracks = TrackSet("one", TrackSet.load("lpd-5").with_grid(0, 128).tracks[1:3], low, pitches)
    shape = RollShape(track_set=tracks, resolution=2, bars=2, steps=8, encoding="pause")
    sizes = MuseGANSizes(shape)
    rng = np.random.default_rng(0)
    roll = Roll(tracks, 2, rng.random((2, 2, 8, pitches)) < 0.1)
    expected = np.zeros((2, 2, 4, 12))
    for note in roll.notes():
        for step in range(note["onset"], note["onset"] + note["duration"]):
            expected[note["track"], step // 8, step % 8 // 2, note["pitch"] % 12] += 1
    cells = np.pad(roll.cells, ((0, 0),) * 3 + ((0, sizes.rows - pitches),))
    seen = ChromaStream(0.1, sizes).view(torch.from_numpy(cells).float()[None, None])
    np.testing.assert_array_equal(seen[0].numpy(), expected)


def test_the_refiners_first_decision_is_hard_thresholding() -> None:
    torch.manual_seed(0)
    refiner = Refiner(MuseGANConfig(width=0.1), MuseGANSizes(LPD_8))
    for unit in refiner.units:
        nn.init.zeros_(unit.weight)
    outputs = torch.rand(1, 8, 4, 96, 84)
    assert torch.equal(refiner(outputs) > 0, outputs > 0.5)


def test_a_fixed_body_does_not_change() -> None:
    config = config_of(MuseGANConfig(width=0.1), strategy="two-stage")
    shape = RollShape(track_set="satb", resolution=2, bars=2, steps=8, encoding="onset")
    generator = Generator(config, shape).train()
    before = {name: value.clone() for name, value in generator.body.state_dict().items()}
    generator(torch.randn(4, 128)).sum().backward()
    assert all(weight.grad is None for weight in generator.body.parameters())
    assert all(torch.equal(value, before[name]) for name, value in generator.body.state_dict().items())
    assert any(weight.grad is not None and weight.grad.any() for weight in generator.refiner.parameters())


def test_noise_of_another_size_is_refused() -> None:
    shape = RollShape(track_set="satb", resolution=2, bars=2, steps=8, encoding="onset")
    generator = Generator(config_of(MuseGANConfig(width=0.1)), shape)
    for noise, error in ((torch.randn(2, 127), ValueError), (torch.zeros(2, 128, dtype=torch.int64), TypeError)):
        for function in (generator, generator.preactivated):
            with pytest.raises(error, match="noise"):
                function(noise)


@pytest.mark.parametrize("width", [0.07, 0.125, 0.5])
def test_gradients_in_bfloat16_are_close_to_those_in_float32(width: float) -> None:
    torch.manual_seed(0)
    config = MuseGANConfig(width=width, norm="scale")
    shared = SharedGenerator(config, MuseGANSizes(LPD_8))
    noise = torch.randn(8, config.latent)

    def gradient(precise: bool) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
            loss = shared(noise).float().square().sum()
        return torch.cat([values.flatten() for values in torch.autograd.grad(loss, list(shared.parameters()))])

    assert torch.cosine_similarity(gradient(True), gradient(False), dim=0) > 0.99
