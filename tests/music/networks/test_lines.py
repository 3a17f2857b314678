"""Test the GAN of lines: choices of rows, held notes, what is generated, and what the discriminator hears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from composers import BAND, SATB, random_phrases
from tiny_runs import LINES, make_run, network_of
from torch import Tensor

from bgmusic.gan.penalties import scores_and_gradients, zero_centred
from bgmusic.music.composing.generate import phrases
from bgmusic.music.composing.load import load_generator
from bgmusic.music.networks.build import make_discriminator, make_generator
from bgmusic.music.networks.lines.decisions import Intervals, Memory, choose_rows, compose_lines
from bgmusic.music.networks.lines.discriminator import LinesDiscriminator
from bgmusic.music.networks.lines.generator import LinesGenerator
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import DBN, SBN
from bgmusic.yaml import validate

SHAPES = pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "lpd-5"])


def config(**changes: Any) -> PianorollConfig:
    network = {"kind": "lines", "latent": 6, "channels": 16, "layers": 1, "judge_channels": 8}
    return validate(PianorollConfig, {"network": network, "neuron": "dbn", **changes}, "test")


def lines(shape: RollShape, **changes: Any) -> LinesGenerator:
    torch.manual_seed(0)
    generator = make_generator(config(**changes), shape)
    assert isinstance(generator, LinesGenerator)
    return generator


def noise_for(generator: LinesGenerator, batch: int = 5) -> Tensor:
    return torch.randn(batch, generator.latent, generator=torch.Generator().manual_seed(3))


ESTIMATORS = pytest.mark.parametrize("estimator", ["sigmoid-adjusted", "straight-through"])


@ESTIMATORS
@pytest.mark.parametrize("slope", [0.5, 1.0, 4.0])
def test_the_most_likely_row_fires(slope: float, estimator: str) -> None:
    logits = torch.randn(200, 9, generator=torch.Generator().manual_seed(0)) * 3
    logits[0] = 0.0  # all are alike
    logits[1, :2] = 20.0
    chosen = choose_rows(DBN(estimator, slope), logits, torch.zeros(200, 1))
    assert torch.equal(chosen.sum(-1)[2:], torch.ones(198))
    assert torch.equal(chosen[2:].argmax(-1), logits[2:].argmax(-1))
    assert (chosen.sum(-1) >= 1).all()


@ESTIMATORS
def test_stochastic_rows_fire_as_often_as_their_softmax(estimator: str) -> None:
    logits = torch.tensor([0.3, -1.0, 1.2, 0.0]).expand(20_000, -1)
    chosen = choose_rows(SBN(estimator), logits, torch.rand(20_000, 1, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(chosen.sum(-1), torch.ones(20_000))
    assert torch.allclose(chosen.mean(0), logits[0].softmax(0), atol=0.015)


@pytest.mark.parametrize("neuron", [DBN("sigmoid-adjusted"), SBN("sigmoid-adjusted")])
def test_the_gradient_is_that_of_the_softmax(neuron: DBN | SBN) -> None:
    logits = torch.randn(5, 7, dtype=torch.double, generator=torch.Generator().manual_seed(2)).float().requires_grad_()
    weights = torch.randn(5, 7, generator=torch.Generator().manual_seed(3))
    (found,) = torch.autograd.grad((choose_rows(neuron, logits, torch.full((5, 1), 0.4)) * weights).sum(), logits)
    (expected,) = torch.autograd.grad((logits.softmax(-1) * weights).sum(), logits)
    assert torch.allclose(found, expected, atol=1e-5)


def composed(changes: Tensor, logits: Tensor, intervals: Intervals, weight: float = 0.0) -> tuple[Tensor, Tensor]:
    """Compose by deterministic neurons; ``weight`` is that of the memory's outputs."""
    batch, steps, lines, rows = logits.shape
    torch.manual_seed(0)
    memory = Memory(rows - 1, lines, 4)
    with torch.no_grad():
        memory.out.normal_().mul_(weight)
        memory.cell.weight_ih.mul_(10)
        memory.of_rows.mul_(10)
    draws = torch.zeros(batch, steps, lines)
    return compose_lines(DBN(), changes, logits, intervals(), draws, memory, torch.zeros(batch, steps, 4))


def test_a_row_is_held_until_the_next_change() -> None:
    logits = 9 * torch.eye(5)[torch.tensor([[0, 3, 1, 4]])].unsqueeze(2)  # (1, 4 steps, 1 line, 5)
    changes = torch.tensor([[[1.0], [0.0], [1.0], [0.0]]])
    sounding, struck = composed(changes, logits, Intervals(4, 1))
    assert sounding[0, :, 0].argmax(-1).tolist() == [0, 0, 1, 1]
    assert struck[0, :, 0].sum(-1).tolist() == [1, 0, 1, 0]


def test_intervals_to_known_rows_decide_where_logits_are_equal() -> None:
    intervals = Intervals(20, 2)
    with torch.no_grad():
        intervals.melody[0, 12 + 2] = 3.0  # the first line likes whole tones up
        intervals.harmony[1, 0, 7] = 4.0  # the second one fifths above the first
        intervals.crossing[1, 0] = -2.0  # but it stays below
    logits = torch.zeros(1, 3, 2, 21)
    logits[0, 0, 0, 10] = 9.0
    sounding, _ = composed(torch.ones(1, 3, 2), logits, intervals)
    first, second = sounding[0].argmax(-1).T.tolist()
    assert first == [10, 12, 14]
    assert second == [row + 7 - 12 for row in first]


def test_a_line_sees_the_row_that_a_later_line_holds() -> None:
    intervals = Intervals(20, 2)
    with torch.no_grad():
        intervals.harmony[0, 1, 7] = 4.0  # the first line likes fifths above the second
        intervals.crossing[0, 1] = 2.0  # and stays above
    logits = torch.zeros(1, 2, 2, 21)
    logits[0, 0, 0, 15] = logits[0, 0, 1, 5] = 9.0
    changes = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    sounding, _ = composed(changes, logits, intervals)
    first, second = sounding[0].argmax(-1).T.tolist()
    assert second == [5, 5]
    assert first == [15, 12]
    changes[0, 1, 1] = 1.0  # the second moves, too: where to is not known yet
    sounding, _ = composed(changes, logits, intervals)
    assert sounding[0, 1, 0].argmax() != 12


def test_what_sounded_in_earlier_steps_is_remembered() -> None:
    logits = torch.zeros(20, 4, 1, 21)
    logits[:, 0, 0] = 999 * torch.eye(21)[:20]  # twenty beginnings
    logits[:, 1:3, 0, 10] = 999.0  # that go on alike
    logits[:, 3, 0] = 0.1 * torch.randn(21, generator=torch.Generator().manual_seed(1))
    changes, intervals = torch.ones(20, 4, 1), Intervals(20, 1)
    ends = [composed(changes, logits, intervals, weight)[0][:, 3, 0].argmax(-1) for weight in (0, 1)]
    assert len(ends[0].unique()) == 1
    assert len(ends[1].unique()) > 1


@SHAPES
@pytest.mark.parametrize("neuron", ["dbn", "sbn"])
def test_phrases_are_bits_within_the_tracks_ranges(shape: RollShape, neuron: str) -> None:
    generator = lines(shape, neuron=neuron)
    noise = noise_for(generator, 12)
    phrases = generator(noise, generator=torch.Generator().manual_seed(1))
    assert phrases.shape == (12, shape.channels, shape.bars, shape.steps, shape.pitches)
    assert set(phrases.unique().tolist()) <= {0.0, 1.0}
    cells = phrases[:, : len(shape.track_set)]
    for number, track in enumerate(shape.track_set.tracks):
        own = cells[:, number]
        if not track.is_drum:
            assert own.sum(-1).max() <= 1
        low, high = track.low - shape.track_set.low, track.high - shape.track_set.low
        assert not own[..., :low].any()
        assert not own[..., high + 1 :].any()


def test_a_phrase_is_a_function_of_its_noise() -> None:
    generator = lines(SATB, neuron="dbn")
    noise = noise_for(generator)
    phrases = generator(noise)
    assert torch.equal(generator(noise), phrases)
    assert torch.equal(generator(noise[1:3]), phrases[1:3])


def test_more_lines_play_more_notes_at_once() -> None:
    generator = lines(
        SATB, neuron="sbn", network={"kind": "lines", "latent": 4, "channels": 8, "layers": 1, "lines": 3}
    )
    most = generator(noise_for(generator, 16))[:, :4].sum(-1).amax((0, 2, 3))
    assert (most > 1).all()
    assert (most <= 3).all()


@SHAPES
def test_gradients_reach_every_weight(shape: RollShape) -> None:
    generator = lines(shape, neuron="dbn")
    discriminator = make_discriminator(config(), shape)
    discriminator(generator(noise_for(generator))).mean().backward()
    weights = [*generator.named_parameters(), *discriminator.named_parameters()]
    assert not [name for name, weight in weights if weight.grad is None]
    assert generator.first.weight.grad.abs().sum() > 0


@SHAPES
def test_penalties_differentiate_the_discriminator_twice(shape: RollShape) -> None:
    discriminator = make_discriminator(config(), shape)
    scores, gradients = scores_and_gradients(discriminator, random_phrases(shape))
    assert scores.shape == (3, shape.bars * shape.beats + 1)
    zero_centred(gradients).backward()
    assert discriminator.get_parameter("notes.weight").grad is not None


def test_the_discriminator_treats_keys_alike() -> None:
    torch.manual_seed(0)
    discriminator = make_discriminator(config(), SATB)
    scale = np.array([0, 2, 4, 5, 7, 9, 11]) + 12 + -SATB.track_set.low % 12
    phrases = torch.zeros(1, 8, 2, 16, SATB.pitches)
    rng = np.random.default_rng(0)
    for step in range(16):
        for track in range(4):
            row = int(rng.choice(scale))
            phrases[0, [track, 4 + track], :, step, row] = 1.0
    scores = discriminator(phrases)
    assert isinstance(discriminator, LinesDiscriminator)
    for shift in (-3, 2, 5):
        assert torch.allclose(discriminator(phrases.roll(shift, -1)), scores, atol=1e-4)
    phrases[0, [0, 4], 0, 3] = 0.0
    assert not torch.allclose(discriminator(phrases), scores, atol=1e-4)


def test_keys_are_drawn_as_they_were_seen() -> None:
    generator = lines(SATB, neuron="dbn")
    before = generator.keys.clone()
    generator.see(random_phrases(SATB))
    assert int((generator.keys - before).sum()) == 3


@SHAPES
def test_a_saved_generator_composes_the_same(shape: RollShape, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", shape, LINES, "dbn")
    _, _, loaded = load_generator(run)
    assert np.array_equal(phrases(loaded, shape, 2, 0), phrases(network_of(shape, LINES, "dbn"), shape, 2, 0))
