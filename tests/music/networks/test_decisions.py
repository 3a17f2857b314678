"""Test the list of decisions: values of an earlier version, shorter lists, and a new decision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bgmusic.music.networks.build import make_discriminator
from bgmusic.music.networks.composer import network as composer_network
from bgmusic.music.networks.composer.decisions import Choices, Decision, Tracks, make_decisions
from bgmusic.music.networks.composer.decisions.base import cross_entropy, fire
from bgmusic.music.networks.composer.decisions.move import hold
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.networks.pianoroll_config import ComposerConfig, PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import BinaryNeuron
from bgmusic.yaml import validate

SATB = RollShape(track_set="satb", resolution=4, bars=2, steps=16, encoding="onset")
BAND = RollShape(track_set="lpd-5", resolution=2, bars=2, steps=8, encoding="pause")

# Of the version before decisions were objects: imitation loss, norm of its gradient, sum of preactivated outputs, norm
# of the gradient through the neurons, and numbers of cells and onsets that were generated and accompanied.
BEFORE = {
    ("satb", False, 0, False): (57.091007, 3.2429721, 1918.7546, 313.96765, 2327, 2196),
    ("satb", True, 0, False): (57.358910, 1.9031476, 1009.1043, 219.53328, 1035, 1549),
    ("satb", True, 1, False): (58.624199, 1.8130790, 373.72229, 60.472542, 439, 1400),
    ("satb", True, 3, True): (58.456463, 2.3303711, 510.88992, 126.26387, 651, 1393),
    ("band", False, 0, False): (12.810768, 2.2159412, 775.28333, 92.666069, 760, 709),
    ("band", True, 0, False): (13.477449, 1.6910871, 444.52148, 112.11865, 467, 469),
    ("band", True, 1, False): (15.097604, 1.6544518, 182.97014, 16.739514, 210, 406),
    ("band", True, 3, True): (14.280334, 2.7874978, 227.41476, 29.731623, 265, 438),
}


def settings(**changes: Any) -> ComposerConfig:
    network = {"kind": "composer", "channels": 8, "layers": 2, "stages": 4, "falling": 0.9, "least": 0.05, **changes}
    return validate(ComposerConfig, network, "test")


def composer(shape: RollShape, **changes: Any) -> Composer:
    torch.manual_seed(0)
    generator = Composer(PianorollConfig(network=settings(**changes), neuron="sbn"), shape)
    with torch.no_grad():  # the outputs of a new network hardly depend on its inputs
        for weight in generator.parameters():
            weight.add_(0.2 * torch.randn(weight.shape))
    return generator


def coins(shape: RollShape, batch: int = 4) -> Tensor:
    size = batch, shape.channels, shape.bars, shape.steps, shape.pitches
    phrases = (torch.rand(size, generator=torch.Generator().manual_seed(1)) < 0.03).float()
    if shape.encoding == "onset":
        cells, onsets = phrases.chunk(2, 1)
        phrases = torch.cat([torch.maximum(cells, onsets), onsets], 1)
    phrases[: batch // 2, :, 1:] = phrases[: batch // 2, :, :1]
    return phrases


def noise_for(generator: Composer, batch: int = 3) -> Tensor:
    return torch.randn(batch, generator.latent, generator=torch.Generator().manual_seed(2))


def gradient_norm(generator: Composer) -> float:
    gradients = [weight.grad.flatten() for weight in generator.parameters() if weight.grad is not None]
    generator.zero_grad()
    return float(torch.cat(gradients).norm())


@pytest.mark.parametrize("case", BEFORE, ids=str)
def test_values_are_those_of_the_earlier_version(case: tuple[str, bool, int, bool]) -> None:
    name, rests, chords, form = case
    shape = {"satb": SATB, "band": BAND}[name]
    generator, real = composer(shape, rests=rests, chords=chords, form=form), coins(shape)
    generator.see(real)
    loss = generator.imitation(real, torch.Generator().manual_seed(4))
    loss.backward()
    slope = gradient_norm(generator)
    noise = noise_for(generator)
    phrases = generator(noise)
    (phrases * torch.linspace(0, 1, phrases.numel()).view_as(phrases)).sum().backward()
    through = gradient_norm(generator)
    free = torch.rand(3, len(shape.track_set), shape.bars * shape.beats, generator=torch.Generator().manual_seed(5))
    free = free < 0.6
    free[:, 0] = False
    with torch.no_grad():
        odds, accompanied = generator.preactivated(noise).sum(), generator.accompany(real[:3], free, noise).sum()
    found = float(loss.detach()), slope, float(odds), through, int(phrases.sum()), int(accompanied)
    *expected, generated, completed = BEFORE[case]
    assert found[:4] == pytest.approx(expected, rel=1e-5)
    assert found[4:] == (generated, completed)


def test_an_ablation_is_a_shorter_list() -> None:
    def names(shape: RollShape, **changes: Any) -> list[str]:
        return [decision.name for decision in make_decisions(settings(**changes), shape)]

    assert names(SATB, rests=True, chords=3) == ["rest", "move", "count", "cells", "onsets"]
    assert names(SATB, rests=True, chords=0) == ["rest", "move", "cells", "onsets"]
    assert names(BAND, rests=False, chords=0) == ["move", "cells"]


class Accent(Decision):
    """Decide which steps are loud. Adds ``accents``."""

    name = "accent"
    step_outputs = 1

    def logits(self, steps: Tensor, cells: Tensor, tracks: Tracks) -> Tensor:
        return steps[0]

    def decide(self, logits: Tensor, made: Choices, noise: Tensor, neuron: BinaryNeuron) -> Choices:
        return made.add(accents=fire(neuron, logits, noise) * made["cells"].amax(3))

    def observe(self, real: Choices) -> Choices:
        return real.add(accents=real["cells"].amax(3))

    def loss(self, logits: Tensor, real: Choices) -> Tensor:
        return cross_entropy(logits, real["accents"])

    def odds(self, logits: Tensor, odds: Choices, neuron: BinaryNeuron) -> Choices:
        return odds.add(accents=neuron.preactivate(logits))


def test_a_new_decision_is_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    old = composer(SATB)
    monkeypatch.setattr(composer_network, "make_decisions", lambda *given: (*make_decisions(*given), Accent()))
    new = composer(SATB)
    steps = 4 * SATB.bars * SATB.steps
    assert len(new.steps.bias) == len(old.steps.bias) + 4 * SATB.unit
    assert new.latent == old.latent + steps * new.settings.stages
    new.imitation(coins(SATB), torch.Generator().manual_seed(0)).backward()
    assert new.steps.bias.grad is not None
    assert new.steps.bias.grad[: 4 * SATB.unit].all()
    noise = noise_for(new)
    assert new(noise).shape == new.preactivated(noise).shape == (3, 8, 2, 16, 48)


def test_hold_equals_a_loop() -> None:
    rng = torch.Generator().manual_seed(0)
    cells, moves = torch.rand(2, 3, 9, 4, generator=rng), (torch.rand(2, 3, 9, generator=rng) < 0.4).float()
    moves[:, :, 0] = 1
    expected = cells.clone()
    for step in range(1, 9):
        held = moves[:, :, step] == 0
        expected[:, :, step][held] = expected[:, :, step - 1][held]
    assert torch.equal(hold(cells, moves), expected)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda x: x.bool(), TypeError, "torch.bool"),
        (lambda x: x * 0.5, ValueError, "zeros and ones"),
        (lambda x: x[:, :-1], ValueError, r"\(4, 7, 2, 16, 48\)"),
        (lambda x: x[..., :-1], ValueError, r"\(4, 8, 2, 16, 47\)"),
        (lambda x: x[0], ValueError, r"\(8, 2, 16, 48\)"),
    ],
    ids=["boolean", "fractions", "a channel less", "a pitch less", "no batch"],
)
def test_other_phrases_are_refused(damage: Any, error: type[Exception], message: str) -> None:
    generator, real = composer(SATB), damage(coins(SATB))
    free, noise = torch.ones(4, 4, 8, dtype=torch.bool), noise_for(generator, 4)
    for function in (
        generator.see,
        generator.imitation,
        lambda x: generator.accompany(x, free, noise),
        lambda x: generator.revise(x, free, noise, 1, 0.5),
    ):
        with pytest.raises(error, match=message):
            function(real)


def test_other_units_and_noise_are_refused() -> None:
    generator, real = composer(SATB), coins(SATB)
    free, noise = torch.ones(4, 4, 8, dtype=torch.bool), noise_for(generator, 4)
    with pytest.raises(TypeError, match=r"torch\.float32"):
        generator.accompany(real, free.float(), noise)
    with pytest.raises(ValueError, match=r"\(4, 4, 7\)"):
        generator.accompany(real, free[..., :-1], noise)
    with pytest.raises(ValueError, match="4 phrases"):
        generator.accompany(real, free, noise[:3])
    for function in (generator, generator.preactivated):
        with pytest.raises(ValueError, match=f"{generator.latent}"):
            function(noise[:, 1:])
        with pytest.raises(TypeError, match=r"torch\.int64"):
            function(noise.long())


@pytest.mark.parametrize("kind", ["composer", "musegan"])
def test_discriminators_refuse_other_shapes(kind: str) -> None:
    config = validate(PianorollConfig, {"network": {"kind": kind}}, "test")
    discriminator, phrases = make_discriminator(config, SATB), coins(SATB)
    assert discriminator(phrases * 0.5).shape == (4, 1)
    with pytest.raises(ValueError, match=r"\(4, 8, 16, 2, 48\)"):
        discriminator(phrases.transpose(2, 3))
    with pytest.raises(TypeError, match=r"torch\.bool"):
        discriminator(phrases.bool())
