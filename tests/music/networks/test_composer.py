"""Test the composer: its input and output, given units, ranges of tracks, gradients, and its discriminator."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from composers import BAND, DECISIONS, SATB, composer, noise_for, random_phrases
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.gan.penalties import scores_and_gradients, zero_centred
from bgmusic.music.networks.build import make_discriminator, make_generator
from bgmusic.music.networks.composer.draft import Draft, to_draft, to_phrases
from bgmusic.music.networks.composer.masks import draw_open
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.networks.composer.noise import share_of
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.yaml import validate


@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "lpd-5"])
def test_logits_do_not_depend_on_open_units(shape: RollShape) -> None:
    generator, phrases = composer(shape), random_phrases(shape)
    tracks, beats = len(shape.track_set), shape.bars * shape.steps // shape.resolution
    opened = torch.rand(3, tracks, beats, generator=torch.Generator().manual_seed(3)) < 0.5
    draft = to_draft(phrases, shape)
    hidden = opened.repeat_interleave(shape.resolution, 2).unsqueeze(3)
    other = Draft(
        torch.where(hidden, 1 - draft.cells, draft.cells),
        None if draft.onsets is None else torch.where(hidden, 1 - draft.onsets, draft.onsets),
    )
    logits, others = generator.logits(draft, opened), generator.logits(other, opened)
    assert all(torch.equal(logits[name], others[name]) for name in logits)
    # They depend on the other units.
    assert not torch.equal(logits["cells"], generator.logits(Draft(1 - draft.cells, draft.onsets), opened)["cells"])


@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "lpd-5"])
@pytest.mark.parametrize("neuron", ["dbn", "sbn"])
def test_phrases_are_bits_and_a_function_of_the_noise(shape: RollShape, neuron: str) -> None:
    config = {"network": {"kind": "composer", "channels": 8, "layers": 1, "stages": 3}, "neuron": neuron}
    generator = make_generator(validate(PianorollConfig, config, "test"), shape)
    assert isinstance(generator, Composer)
    noise = noise_for(generator)
    phrases = generator(noise)
    planes = 2 if shape.encoding == "onset" else 1
    tracks = shape.track_set
    assert phrases.shape == (3, planes * len(tracks), shape.bars, shape.steps, tracks.pitches)
    assert set(phrases.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(generator(noise), phrases)
    assert torch.equal(generator(noise[1:2]), phrases[1:2])


def test_chords_without_rests_are_refused() -> None:
    network = {"kind": "composer", "chords": 3, "rests": False}
    with pytest.raises(UserError, match=r"network\.chords=3 needs network\.rests"):
        validate(PianorollConfig, {"network": network, "neuron": "sbn"}, "test")


def test_voices_stay_in_their_ranges() -> None:
    generator = composer()
    cells = generator(noise_for(generator, 20))[:, :4].amax((0, 2, 3))
    for track, sounding in zip(SATB.track_set.tracks, cells, strict=True):
        rows = sounding.nonzero().flatten() + SATB.track_set.low
        assert track.low <= rows.min()
        assert rows.max() <= track.high
        assert len(rows) > 10  # an untrained network uses the whole range


@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "lpd-5"])
def test_given_units_stay_unchanged(shape: RollShape) -> None:
    generator, given = composer(shape), random_phrases(shape)
    given = to_phrases(to_draft(given, shape), shape)  # every note with its onset
    tracks, beats = len(shape.track_set), shape.bars * shape.steps // shape.resolution
    free = torch.ones(3, tracks, beats, dtype=torch.bool)
    free[:, 1] = False
    result = generator.accompany(given, free, noise_for(generator))
    for plane in range(2 if shape.encoding == "onset" else 1):
        assert torch.equal(result[:, plane * tracks + 1], given[:, plane * tracks + 1])
    assert not torch.equal(result, given)
    # The other units depend on them.
    other = given.clone()
    other[:, 1] = torch.roll(other[:, 1], 3, -1)
    assert not torch.equal(generator.accompany(other, free, noise_for(generator))[:, 2], result[:, 2])


def test_shares_fall_to_the_least() -> None:
    generator = composer(stages=11, falling=0.5, least=0.1)
    shares = [share_of(generator.settings, stage) for stage in range(11)]
    assert shares[:6] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0.1])
    assert shares[6:] == [0.1] * 5
    assert share_of(composer(stages=1).settings, 0) == 1


@DECISIONS
def test_all_weights_have_gradients(decisions: dict[str, Any]) -> None:
    generator = composer(**decisions)
    generator(noise_for(generator)).sum().backward()
    silent = [name for name, weight in generator.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []


@pytest.mark.parametrize("seed", range(20))
def test_some_units_are_hidden_and_some_are_not(seed: int) -> None:
    opened = draw_open(64, 4, 2, 4, torch.Generator().manual_seed(seed))
    assert opened.shape == (64, 4, 8)
    assert opened.flatten(1).any(1).all()
    assert not opened.flatten(1).all(1).all()


@pytest.mark.slow
def test_the_discriminator_scores_each_phrase_alone_and_differentiates_twice() -> None:
    config = validate(PianorollConfig, {"network": {"kind": "composer", "judge_channels": 4}, "neuron": "sbn"}, "test")
    torch.manual_seed(0)
    discriminator = make_discriminator(config, SATB).double()
    phrases = random_phrases(SATB).double()
    scores = discriminator(phrases)
    assert scores.shape == (3, 1)
    torch.testing.assert_close(discriminator(phrases[1:2]), scores[1:2])
    weight = next(p for name, p in discriminator.named_parameters() if name.endswith("up.weight"))

    def penalty() -> Tensor:
        return zero_centred(scores_and_gradients(discriminator, phrases)[1].double())

    (slope,) = torch.autograd.grad(penalty(), weight)
    place = divmod(int(slope.abs().argmax()), slope.shape[1])
    with torch.no_grad():
        weight[place] += 1e-5
    above = float(penalty().detach())
    with torch.no_grad():
        weight[place] -= 2e-5
    assert float(slope[place]) == pytest.approx((above - float(penalty().detach())) / 2e-5, rel=1e-2)


def test_untrusted_shapes_cannot_fill_the_memory() -> None:
    long = RollShape(track_set="satb", resolution=1, bars=64, steps=4, encoding="onset")
    with pytest.raises(UserError, match=r"256 beats.*2000 channels"):
        composer(long, channels=2000)
    with pytest.raises(UserError, match="noise"):
        composer(RollShape(track_set="satb", resolution=12, bars=64, steps=48, encoding="onset"), stages=1024)
