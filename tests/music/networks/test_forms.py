"""Test forms: equal bars are found, composed bars repeat as real ones do, and given bars stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bgmusic.music.networks.build import make_generator
from bgmusic.music.networks.composer.decisions.form import FORMS, Form, choose_form, form_of
from bgmusic.music.networks.composer.draft import to_draft, to_phrases
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.yaml import validate

SHAPES = [
    RollShape(track_set="satb", resolution=2, bars=4, steps=8, encoding="onset"),
    RollShape(track_set="lpd-5", resolution=2, bars=4, steps=8, encoding="pause"),
]
SHAPED = pytest.mark.parametrize("shape", SHAPES, ids=["satb", "lpd-5"])


def composer(shape: RollShape, **changes: Any) -> Composer:
    small = {"kind": "composer", "channels": 8, "layers": 2, "stages": 5, "rests": True, "chords": 0, "form": True}
    network = {**small, "falling": 0.9, "least": 0.05, **changes}
    torch.manual_seed(0)
    generator = make_generator(validate(PianorollConfig, {"network": network, "neuron": "sbn"}, "test"), shape)
    assert isinstance(generator, Composer)
    generator.most.fill_(2)
    with torch.no_grad():  # the outputs of a new network hardly depend on its inputs
        for weight in generator.parameters():
            weight.add_(0.3 * torch.randn(weight.shape))
    return generator


def noise_for(generator: Composer, batch: int, seed: int = 2) -> Tensor:
    return torch.randn(batch, generator.latent, generator=torch.Generator().manual_seed(seed))


def coins(shape: RollShape, batch: int) -> Tensor:
    channels = len(shape.track_set) * (2 if shape.encoding == "onset" else 1)
    size = batch, channels, shape.bars, shape.steps, shape.track_set.pitches
    phrases = (torch.rand(size, generator=torch.Generator().manual_seed(1)) < 0.05).float()
    if shape.encoding == "onset":
        cells, onsets = phrases.chunk(2, 1)
        phrases = torch.cat([torch.maximum(cells, onsets), onsets], 1)
    return phrases


def bars_of(phrases: Tensor, shape: RollShape) -> Tensor:
    """All that is in each track's bars: ``(batch, tracks, bars, numbers)``."""
    planes = phrases.chunk(2 if shape.encoding == "onset" else 1, 1)
    return torch.cat([plane.flatten(3) for plane in planes], 3)


def heard_in(phrases: Tensor, shape: RollShape) -> Tensor:
    """The same, but for what begins at a bar's first step: a note held into one bar has to begin anew after silence."""
    if shape.encoding == "onset":
        cells, onsets = phrases.chunk(2, 1)
        first = torch.arange(shape.steps).view(-1, 1) == 0
        phrases = torch.cat([cells, onsets * ~first], 1)
    return bars_of(phrases, shape)


def test_a_form_holds_the_first_equal_bar() -> None:
    rng = np.random.default_rng(0)
    phrases = rng.integers(0, 2, (50, 2, 4, 1, 2))  # of two cells: often alike
    forms = form_of(torch.from_numpy(phrases))
    for roll, track, bar in np.ndindex(50, 2, 4):
        mine = phrases[roll, track]
        first = next(earlier for earlier in range(4) if (mine[earlier] == mine[bar]).all())
        assert forms[roll, track, bar] == first


def test_repeat_copies_bars() -> None:
    form = Form(torch.tensor([[[0, 0, 2, 0], [0, 1, 1, 3]]]))
    values = torch.arange(16).view(1, 2, 8, 1)
    expected = [[0, 1, 0, 1, 4, 5, 0, 1], [8, 9, 10, 11, 10, 11, 14, 15]]
    assert form.repeat(values).flatten(2).tolist() == [expected]


def test_forms_are_drawn_evenly_where_nothing_is_given() -> None:
    forms = torch.tensor([[[0, 1, 2, 3]], [[0, 0, 0, 0]], [[0, 1, 0, 1]]])
    nothing = torch.zeros(300, 1, 4, 2)
    known = torch.zeros(300, 1, 4, dtype=torch.bool)
    drawn = choose_form(forms, nothing, known, torch.arange(300) / 300)
    assert torch.equal(drawn, forms.repeat_interleave(100, 0))


def test_forms_agree_with_what_is_given() -> None:
    forms = torch.tensor([[[0, 1, 2, 3]], [[0, 0, 0, 0]], [[0, 1, 0, 1]], [[0, 1, 0, 3]]])
    a, b, c = ([0.0, 1.0], [1.0, 0.0], [1.0, 1.0])
    chances = torch.arange(8) / 8

    def drawn(*bars: list[float] | None) -> set[tuple[int, ...]]:
        phrase = torch.tensor([bar or c for bar in bars]).expand(8, 1, 4, 2)
        known = torch.tensor([bar is not None for bar in bars]).expand(8, 1, 4)
        return {tuple(like[0].tolist()) for like in choose_form(forms, phrase, known, chances)}

    assert drawn(a, b, a, None) == {(0, 1, 2, 1), (0, 1, 2, 3)}
    assert drawn(a, a, None, None) == {(0, 1, 0, 0)}
    assert drawn(a, b, c, None) == {(0, 1, 2, 3)}
    # The first bar is not given, but one equal to it is: all repeat that one.
    assert drawn(None, b, a, None) == {(0, 1, 2, 3), (2, 1, 2, 1), (2, 1, 2, 3)}
    assert drawn(None, None, a, a) == {(2, 2, 2, 3)}
    # No form has equal bars at the end alone; given bars stay, whichever form is drawn.
    for like in drawn(a, b, b, b):
        assert like == (0, 1, 2, 3)


@pytest.mark.slow
@SHAPED
def test_a_composer_remembers_the_latest_forms(shape: RollShape) -> None:
    generator = composer(shape)
    phrases = coins(shape, FORMS + 3)
    phrases[3:, :, 1] = phrases[3:, :, 0]
    expected = form_of(bars_of(phrases, shape))
    generator.see(phrases[:3])
    assert generator.seen == 3
    assert torch.equal(generator.forms[:3], expected[:3])
    for start in range(3, FORMS + 3, 16):
        generator.imitation(phrases[start : start + 16], torch.Generator().manual_seed(0))
    assert generator.seen == FORMS + 3
    assert torch.equal(generator.forms, torch.cat([expected[FORMS:], expected[3:FORMS]]))


@pytest.mark.slow
@SHAPED
@pytest.mark.parametrize("chords", [0, 2])
def test_composed_bars_repeat_as_in_real_phrases(shape: RollShape, chords: int) -> None:
    generator = composer(shape, chords=chords)
    real = coins(shape, 4)
    real[0, :, 1:] = real[0, :, :1]  # A A A A
    real[1, :, 2:] = real[1, :, :2]  # A B A B
    real[2, :2, 3] = real[2, :2, 0]  # A B C A in some tracks
    generator.see(real)
    count = 80
    noise = noise_for(generator, count)
    number = torch.special.ndtr(noise[:, -1]).mul(4).long()
    wanted = form_of(bars_of(real, shape))[number]
    with torch.no_grad():
        phrases, odds = generator(noise), generator.preactivated(noise)
        assert torch.equal(generator(noise[5:6]), phrases[5:6])
    assert set(number.tolist()) == {0, 1, 2, 3}
    for made in (heard_in(phrases, shape), heard_in(odds, shape)):
        for roll, track, bar in np.ndindex(count, len(shape.track_set), 4):
            assert torch.equal(made[roll, track, bar], made[roll, track, wanted[roll, track, bar]])
    # Bars that are not repeated differ.
    assert (form_of(heard_in(phrases, shape)) == wanted).float().mean() > 0.8


def test_a_composer_that_saw_no_phrases_repeats_nothing() -> None:
    shape = SHAPES[0]
    generator = composer(shape)
    noise = noise_for(generator, 10)
    plain = composer(shape, form=False)
    plain.load_state_dict({k: v for k, v in generator.state_dict().items() if k not in ("forms", "seen")})
    assert plain.latent == generator.latent - 1
    assert torch.equal(generator(noise), plain(noise[:, :-1]))


@SHAPED
def test_given_bars_stay_and_are_repeated(shape: RollShape) -> None:
    generator = composer(shape)
    real = coins(shape, 6)
    real[:, :, 2:] = real[:, :, :2]  # A B A B
    generator.see(real)
    given = coins(shape, 6)
    given[:, :, 1] = torch.roll(given[:, :, 1], 1, 1)
    given = to_phrases(to_draft(given, shape), shape)  # every note with its onset
    tracks, beats = len(shape.track_set), shape.steps // shape.resolution
    free = torch.ones(6, tracks, 4, beats, dtype=torch.bool)
    free[:, 0] = False  # a track, against the form
    free[:, 1, 0] = False  # a bar
    free[:, 2, 3, 1:] = False  # a part of a bar, which is like no other then
    result = generator.accompany(given, free.flatten(2), noise_for(generator, 6))
    before, after = heard_in(given, shape), heard_in(result, shape)
    assert torch.equal(after[:, 0], before[:, 0])
    assert torch.equal(after[:, 1, 0], before[:, 1, 0])
    assert torch.equal(after[:, 1, 2], before[:, 1, 0])
    assert torch.equal(after[:, 1, 3], after[:, 1, 1])
    assert torch.equal(after[:, 2, 2], after[:, 2, 0])
    cells = [x[:, 2, 3].unflatten(1, (-1, shape.steps, shape.track_set.pitches)) for x in (before, after)]
    later = slice(shape.resolution, None)
    assert torch.equal(*(x[:, :, later] for x in cells))
    assert not torch.equal(after[:, 2, 3], after[:, 2, 1])


def test_all_copies_of_a_bar_are_differentiated() -> None:
    generator = composer(SHAPES[0], stages=1)
    real = coins(SHAPES[0], 2)
    real[:, :, 1:] = real[:, :, :1]
    generator.see(real)
    noise = noise_for(generator, 2)
    gradients = []
    for bars in (slice(0, 1), slice(1, 4)):
        generator.zero_grad()
        generator(noise)[:, :4, bars].sum().backward()  # (their cells)
        gradients.append(torch.cat([w.grad.flatten() for w in generator.parameters() if w.grad is not None]))
    assert gradients[0].abs().max() > 0
    scale = float(gradients[0].abs().max())
    torch.testing.assert_close(gradients[1], 3 * gradients[0], rtol=1e-3, atol=1e-5 * scale)
