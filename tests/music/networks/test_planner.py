"""The planner's networks: keys are alike, known parts stay, decisions make plans."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.errors import UserError
from bgmusic.gan.game import Game
from bgmusic.music.networks.planner.config import IMITATION, PlannerConfig, PlanSize
from bgmusic.music.networks.planner.decisions import first_repeated, levels, lowest
from bgmusic.music.networks.planner.discriminator import PlanDiscriminator
from bgmusic.music.networks.planner.layers import KeyedBlock
from bgmusic.music.networks.planner.layout import PlanLayout
from bgmusic.music.networks.planner.masks import draw_mask, numbers
from bgmusic.music.networks.planner.network import Planner, layout_of, match_rates
from bgmusic.music.plans.plan import Plans
from bgmusic.music.plans.settle import settle
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.plans.typed import typed_plan
from bgmusic.training.loop import Imitation
from bgmusic.yaml import load_preset, validate

SIZE = PlanSize(tracks=("Drums", "Piano", "Bass"), drums=(True, False, False), bars=2, beats=4)
SHAPE = SIZE.shape()
LAYOUT = PlanLayout(SHAPE)
SMALL = {"keyed": 6, "plain": 8, "layers": 2, "judge_keyed": 4, "judge_plain": 5, "judge_layers": 2, "noise": 7}


def config_of(imitates=False):
    values = load_preset("planner", "game")
    values["network"] |= {**SMALL, "passes": 4}
    values["training"] |= {"steps": 2, "batch": 4, "imitation": IMITATION.model_dump() if imitates else None}
    return validate(PlannerConfig, {**values, "plans": SIZE.model_dump()}, "test")


def planner(imitates=False, seed=0):
    torch.manual_seed(seed)
    made = Planner(config_of(imitates))
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.3 * torch.randn(weight.shape))
    return made.eval()


def plans(count=3):
    chords = ["C | F", "Am | G7", "N.C. | E/B"]
    made = [settle(typed_plan(SHAPE, chords[number % 3], "AB", "x", "low, Bass:2 3")) for number in range(count)]
    return LAYOUT.to_vectors(Plans.stack(made))


def noise(model, count=3, seed=1):
    return torch.randn(count, model.latent, generator=torch.Generator().manual_seed(seed))


def test_vectors_and_plans_are_the_same():
    bits, known = plans()
    again = LAYOUT.to_vectors(LAYOUT.to_plans(bits, known))
    assert (again[0] == bits).all()
    assert (again[1] == known).all()
    parts = LAYOUT.split(torch.from_numpy(bits))
    assert (parts.vector().numpy() == bits).all()
    assert LAYOUT.bits == bits.shape[1]
    assert len(LAYOUT.place_of_bit) == LAYOUT.bits


def rotated(bits, semitones):
    parts = LAYOUT.split(torch.as_tensor(bits))
    chord, bass = parts.chord.roll(semitones, -1), parts.bass.roll(semitones, -1)
    return type(parts)(chord, bass, parts.instruments, parts.activity, parts.form).vector()


def test_layers_treat_keys_alike():
    block = KeyedBlock(3, 4, 5, 6, "layer")
    keyed, plain = torch.randn(2, 3, 12), torch.randn(2, 4)
    one, other = block(keyed, plain), block(keyed.roll(5, 2), plain)
    torch.testing.assert_close(one[0].roll(5, 2), other[0])
    torch.testing.assert_close(one[1], other[1])


def test_a_transposed_plan_is_completed_as_its_transposition():
    model = planner()
    bits, _ = plans()
    places = torch.zeros(3, sum(LAYOUT.places.values()))
    places[:, :5] = 1
    values = noise(model)
    turned = torch.cat([values[:, :12].roll(4, 1), values[:, 12:]], 1)
    with torch.no_grad():
        here = model.plan(torch.from_numpy(bits).float(), places, values)
        there = model.plan(rotated(bits, 4).float(), places, turned)
    torch.testing.assert_close(rotated(here, 4), there)


def test_the_discriminator_hears_no_key():
    torch.manual_seed(0)
    judge = PlanDiscriminator(config_of())
    bits, known = plans()
    both = [torch.as_tensor(each).float() for each in (bits, rotated(bits, 7))]
    samples = [torch.cat([each, torch.from_numpy(known).float()], 1) for each in both]
    torch.testing.assert_close(judge(samples[0]), judge(samples[1]))


@pytest.mark.parametrize("imitates", [False, True])
def test_completed_plans_are_plans_and_keep_what_is_known(imitates):
    model = planner(imitates)
    bits, known = plans(12)
    rng = np.random.default_rng(0)
    places = torch.from_numpy(rng.random(known.shape) < 0.5).float()
    with torch.no_grad():
        made = model.plan(torch.from_numpy(bits).float(), places, noise(model, 12)).numpy() > 0.5
    sure = places.numpy()[:, LAYOUT.place_of_bit.numpy()] > 0
    assert (made == bits)[sure].all()
    # Parts that are open everywhere, too.
    with torch.no_grad():
        free = model(noise(model, 12))[:, : LAYOUT.bits].numpy() > 0.5
    everything = LAYOUT.to_plans(free, np.ones_like(known))
    assert everything.shape == SHAPE


@pytest.mark.parametrize("imitates", [False, True])
def test_a_plan_does_not_depend_on_its_batch(imitates):
    model = planner(imitates)
    values = noise(model, 5)
    with torch.no_grad():
        together = model(values)
        alone = torch.cat([model(values[i : i + 1]) for i in range(5)])
    assert (together != alone).float().mean() < 0.01  # sums of other sizes may round otherwise


def test_examples_are_given_in_training_alone():
    model = planner()
    bits, _ = plans()
    model.give_examples(torch.from_numpy(bits))
    assert not model.eval()(noise(model, 64))[:, LAYOUT.bits :].any()
    assert model.train()(noise(model, 64))[:, LAYOUT.bits :].any()
    with pytest.raises(ValueError, match="examples are boolean"):
        model.give_examples(torch.zeros(3, 4))
    assert not any("example" in name for name in model.state_dict())


def test_untrained_rates_are_those_of_the_data():
    model = Planner(config_of())
    rates = torch.full((LAYOUT.bits,), 0.25)
    match_rates(model, rates)
    assert model.heads.to_plain.bias[0].sigmoid().item() == pytest.approx(0.25)
    with pytest.raises(ValueError, match="rates are"):
        match_rates(model, torch.zeros(LAYOUT.bits))


def test_a_game_and_imitation_change_the_weights():
    bits, _ = plans(8)

    class Source:
        def batch(self, size, generator=None):
            rows = torch.randint(len(bits), (size,), generator=generator)
            mask = draw_mask(LAYOUT, torch.rand(size, numbers(LAYOUT), generator=generator))
            return torch.cat([torch.from_numpy(bits).float()[rows], mask], 1)

    torch.manual_seed(0)
    model = Planner(config_of())
    model.give_examples(torch.from_numpy(bits))
    before = [weight.clone() for weight in model.parameters()]
    Game(model, PlanDiscriminator(config_of()), Source(), config_of().training, 0).run()
    assert not any(torch.equal(weight, old) for weight, old in zip(model.parameters(), before, strict=True))
    model = Planner(config_of(True))
    training = Imitation(model, Source(), config_of(True).training.model_copy(update={"steps": 30}), 0)
    first = model.imitation(Source().batch(64, torch.Generator().manual_seed(0)), torch.Generator().manual_seed(0))
    training.run()
    last = model.imitation(Source().batch(64, torch.Generator().manual_seed(0)), torch.Generator().manual_seed(0))
    assert last < first


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_products_of_bits_are_parts_of_plans(seed):
    rng = torch.Generator().manual_seed(seed)
    on = levels((torch.rand(4, 8, generator=rng) < 0.7).float())
    assert (on.diff(dim=-1) <= 0).all()
    form = first_repeated((torch.rand(4, 5, 5, generator=rng) < 0.3).float())
    assert (form.sum(-1) == 1).all()
    assert (form.argmax(-1) <= torch.arange(5)).all()
    chord = (torch.rand(4, 12, generator=rng) < 0.2).float()
    bass = lowest(torch.randn(4, 12, generator=rng), chord)
    assert (bass.sum(-1) == chord.amax(-1)).all()
    assert (bass <= chord).all()


def test_masks_give_nothing_a_part_or_places():
    mask = draw_mask(LAYOUT, torch.rand(500, numbers(LAYOUT), generator=torch.Generator().manual_seed(0)))
    assert mask.shape == (500, sum(LAYOUT.places.values()))
    assert 0.4 < (mask.sum(1) == 0).float().mean() < 0.75
    harmony = mask[:, : LAYOUT.beats].mean(1)
    assert ((harmony > 0) & (harmony < 1)).any()
    assert (harmony == 1).any()


def test_presets_are_valid():
    assert validate(PlannerConfig, load_preset("planner", "default"), "default") == PlannerConfig()
    assert PlannerConfig().imitates
    assert not validate(PlannerConfig, load_preset("planner", "game"), "game").imitates


def test_sizes_are_checked():
    with pytest.raises(UserError, match="no `plans`"):
        layout_of(None)
    with pytest.raises(UserError, match="too large for a planner"):
        layout_of(PlanSize(tracks=tuple(map(str, range(64))), drums=(False,) * 64, bars=64, beats=4))
    with pytest.raises(UserError, match="name of its own"):
        validate(PlanSize, {"tracks": ["A", "A"], "drums": [False, False], "bars": 2, "beats": 4}, "test")
    with pytest.raises(UserError, match="0 or 1"):
        validate(PlannerConfig, {"training": {"imitation": {"alone": 0.5}}}, "test")
    assert PlanShape(("A",), (False,), 2, 4) == PlanSize(tracks=("A",), drums=(False,), bars=2, beats=4).shape()
