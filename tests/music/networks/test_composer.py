"""Test the composer: what it sees and keeps, its loss, its probabilities, and how notes are held."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.errors import UserError
from bgmusic.gan.penalties import scores_and_gradients, zero_centred
from bgmusic.music.networks.build import make_discriminator, make_generator
from bgmusic.music.networks.composer.decisions.base import logit_of
from bgmusic.music.networks.composer.draft import Draft, to_draft, to_phrases
from bgmusic.music.networks.composer.features import Logits
from bgmusic.music.networks.composer.masks import draw_open
from bgmusic.music.networks.composer.mixer import Distances, Mix, Mixer, normalised
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.networks.composer.noise import share_of
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.yaml import validate

SATB = RollShape(track_set="satb", resolution=4, bars=2, steps=16, encoding="onset")
BAND = RollShape(track_set="lpd-5", resolution=2, bars=1, steps=8, encoding="pause")


PLAIN = {"rests": False, "chords": 0, "form": False}
DECISIONS = pytest.mark.parametrize(
    "decisions",
    [{}, {"rests": True}, {"rests": True, "chords": 3}, {"rests": True, "chords": 3, "form": True}],
    ids=["", "r", "rc", "rcf"],
)


def composer(shape: RollShape = SATB, **changes: Any) -> Composer:
    small = {"kind": "composer", "channels": 8, "layers": 2, "stages": 4, "judge_channels": 4, **PLAIN}
    network = {**small, "falling": 0.9, "least": 0.05, **changes}
    config = validate(PianorollConfig, {"network": network, "neuron": "sbn"}, "test")
    torch.manual_seed(0)
    generator = make_generator(config, shape)
    assert isinstance(generator, Composer)
    generator.most.fill_(3)  # notes that a track was seen to play at once
    with torch.no_grad():  # the outputs of a new network hardly depend on its inputs
        for weight in generator.parameters():
            weight.add_(0.2 * torch.randn(weight.shape))
    return generator


def coins(shape: RollShape, batch: int = 3, density: float = 0.03) -> Tensor:
    channels = len(shape.track_set) * (2 if shape.encoding == "onset" else 1)
    size = batch, channels, shape.bars, shape.steps, shape.track_set.pitches
    phrases = (torch.rand(size, generator=torch.Generator().manual_seed(1)) < density).float()
    if shape.encoding == "onset":
        cells, onsets = phrases.chunk(2, 1)
        phrases = torch.cat([torch.maximum(cells, onsets), onsets], 1)
    return phrases


def noise_for(generator: Composer, batch: int = 3, seed: int = 2) -> Tensor:
    return torch.randn(batch, generator.latent, generator=torch.Generator().manual_seed(seed))


def test_matrices_depend_on_distances_alone() -> None:
    distances = Distances(2, 5)
    matrices = distances().detach()
    for row in range(5):
        for column in range(5):
            assert torch.equal(matrices[:, row, column], distances.weight[:, row - column + 4].detach())


def test_mixing_equals_loops() -> None:
    torch.manual_seed(0)
    mix, x = Mix(2, 3, 4), torch.randn(2, 2, 3, 4)
    pitches, beats, keep = mix.pitches().detach(), mix.beats().detach(), mix.keep.detach()
    expected = torch.zeros_like(x)
    for channel, roll, beat, pitch in np.ndindex(2, 2, 3, 4):
        total = keep[channel] * x[channel, roll, beat, pitch]
        for other in range(4):
            total = total + x[channel, roll, beat, other] * pitches[channel, other, pitch]
        for other in range(3):
            total = total + beats[channel, beat, other] * x[channel, roll, other, pitch]
        expected[channel, roll, beat, pitch] = total
    torch.testing.assert_close(mix(x), expected)


def test_the_mixer_is_equivariant_to_transposition() -> None:
    torch.manual_seed(0)
    mixer = Mixer(3, 6, 3, 2, 1, 4, 30).double()
    torch.nn.init.zeros_(mixer.pitch)  # the only weights that distinguish pitches
    for block in mixer.blocks:  # so that nothing comes back from the grid's edges
        with torch.no_grad():
            reach = block.mix.pitches.weight
            reach[:, :27] = 0
            reach[:, -27:] = 0
    x = torch.zeros(3, 1, 4, 30, dtype=torch.float64)
    x[:, :, :, 10:14] = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    moved = mixer(torch.roll(x, 5, 3))
    # Cells further than three layers of reach from either edge, before and after.
    torch.testing.assert_close(moved[..., 11:24], torch.roll(mixer(x), 5, 3)[..., 11:24])


def test_normalised_cells_have_a_mean_square_of_one() -> None:
    x = normalised(torch.randn(16, 2, 3, 4) * 50)
    torch.testing.assert_close(x.square().mean(0), torch.ones(2, 3, 4), rtol=1e-3, atol=0)


@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "lpd-5"])
def test_open_units_are_not_seen(shape: RollShape) -> None:
    generator, phrases = composer(shape), coins(shape)
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
    # Known units do count.
    assert not torch.equal(logits["cells"], generator.logits(Draft(1 - draft.cells, draft.onsets), opened)["cells"])


def surprise(logit: Tensor, bit: float) -> float:
    probability = float(torch.sigmoid(logit.detach().double()))
    return -math.log(probability if bit else 1 - probability)


def surprise_of_number(logits: Logits, place: tuple[int, int, int], notes: int) -> float:
    """Of "more than one?", and if so "more than two?"."""
    more = logits["count"][place]
    return sum(surprise(more[number - 1], notes > number) for number in (1, 2) if notes >= number)


@DECISIONS
@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "lpd-5"])
def test_the_imitation_loss_equals_loops(shape: RollShape, decisions: dict[str, Any]) -> None:
    generator, phrases = composer(shape, **decisions), coins(shape, density=0.01)
    loss = float(generator.imitation(phrases, torch.Generator().manual_seed(4)).detach())
    tracks = shape.track_set.tracks
    opened = draw_open(3, len(tracks), shape.bars, shape.steps // shape.resolution, torch.Generator().manual_seed(4))
    logits = generator.logits(to_draft(phrases, shape), opened)
    length = shape.bars * shape.steps
    planes = phrases.double().reshape(3, -1, len(tracks), length, shape.track_set.pitches).numpy()

    each, rested = [], 0
    for roll in range(3):
        total, count = 0.0, 0
        for track, step in np.ndindex(len(tracks), length):
            if not opened[roll, track, step // shape.resolution]:
                continue
            count += 1
            column = planes[roll, :, track, step]
            if tracks[track].is_drum or step == 0:
                moves = True
            else:
                moves = bool((column[0] != planes[roll, 0, track, step - 1]).any())
                moves = moves or (len(column) > 1 and bool(column[1].any()))
            silent = not column[0].any()
            asked = not tracks[track].is_drum
            if "rest" in logits:
                total += surprise(logits["rest"][roll, track, step], silent)
                rested += silent
                if silent:
                    continue
                asked = asked and step > 0 and bool(planes[roll, 0, track, step - 1].any())
            if asked:
                total += surprise(logits["move"][roll, track, step], moves)
            if not moves:
                continue
            notes = min(column[0].sum(), 3) if "count" in logits else None
            if notes is not None:
                total += surprise_of_number(logits, (roll, track, step), int(notes))
            cells = logit_of(logits["cells"] + (0 if notes is None else math.log(max(1, notes))))
            for pitch in range(column.shape[1]):
                total += surprise(cells[roll, track, step, pitch], column[0, pitch])
                if "onsets" in logits and column[0, pitch]:
                    total += surprise(logits["onsets"][roll, track, step, pitch], column[1, pitch])
        each.append(total / count)
    assert loss == pytest.approx(np.mean(each), rel=1e-4)
    assert ("rest" in logits) == (rested > 0) == bool(decisions)


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


@DECISIONS
def test_notes_are_held_until_the_track_moves(decisions: dict[str, Any]) -> None:
    generator = composer(**decisions)
    draft, opened = to_draft(coins(SATB), SATB), torch.ones(3, 4, 8, dtype=torch.bool)
    chances = next(generator.noise.stage_noise(noise_for(generator)))
    logits = generator.logits(draft, opened)
    decided = generator._decide(draft, opened, logits, chances)
    moves = torch.sigmoid(logits["move"]) > chances.values["move"]
    if "rest" in logits:
        at_rest = torch.sigmoid(logits["rest"]) > chances.values["rest"]
        assert 0.2 < at_rest.float().mean() < 0.8
        moves = moves | at_rest | F.pad(at_rest, (1, 0))[:, :, :-1]
    moves[:, :, 0] = True
    assert 0.2 < moves.float().mean() < 0.9
    cells = decided.cells.detach()
    for roll, track, step in np.ndindex(3, 4, 32):
        if not moves[roll, track, step]:
            assert torch.equal(cells[roll, track, step], cells[roll, track, step - 1])
            assert decided.onsets is not None
            assert not decided.onsets[roll, track, step].any()
    if "rest" in logits:
        assert not cells[at_rest].any()
        assert (cells.sum(3)[moves & ~at_rest] > 0).float().mean() > 0.98  # (probabilities end at 0.999)


def test_a_track_with_rests_plays_whole_chords_or_nothing() -> None:
    """Of silence or a chord of three, two notes are expected; two must not sound."""
    generator = composer(BAND, rests=True, stages=1)
    generator.most.fill_(3)
    with torch.no_grad():
        for weight in (generator.steps.weight, generator.notes.weight):
            weight.zero_()
        count, moves, rests = generator.steps.bias.view(3, -1)
        count.fill_(30.0)  # as many as it was seen to play
        moves.fill_(-3.0)  # and rarely else than it must
        rests.fill_(math.log(0.7 / 0.3))
        sounding = generator(noise_for(generator, 200)).sum(4)
    assert set(sounding.unique().tolist()) <= {0.0, 2.0, 3.0}
    assert (sounding == 3).float().mean() == pytest.approx(0.3, abs=0.05)
    assert (sounding == 0).float().mean() == pytest.approx(0.7, abs=0.05)
    throughout = sounding.flatten(2).amax(2)
    assert (throughout == 0).float().mean() == pytest.approx(0.7, abs=0.05)


@DECISIONS
@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "band"])
def test_preactivated_outputs_are_the_decisions_probabilities(shape: RollShape, decisions: dict[str, Any]) -> None:
    """Over many compositions of one stage, a cell sounds, and begins, as often as it was likely to."""
    generator = composer(shape, stages=1, **decisions)
    count = 2000
    with torch.no_grad():
        noise = noise_for(generator, count)
        odds, phrases = generator.preactivated(noise), generator(noise)
    assert odds.shape == phrases.shape
    assert ((odds >= 0) & (odds <= 1)).all()
    tracks = len(shape.track_set)
    sounding, likely = phrases[:, :tracks].mean(0), odds[:, :tracks].mean(0)
    assert sounding.sum() == pytest.approx(likely.sum().item(), rel=0.02)
    error = (likely * (1 - likely) / count).sqrt() + 1e-6
    assert ((sounding - likely).abs() < 5.5 * error + 2 / count).all()
    if shape.encoding == "onset" and not decisions:  # whose shared number makes a step depend on the one before
        # An onset that follows silence is not drawn; all others are.
        held = torch.cat([torch.zeros(count, tracks, 1, 48), phrases[:, :tracks].flatten(2, 3)[:, :, :-1]], 2)
        behind = held.unflatten(2, (shape.bars, shape.steps)) > 0
        drawn = (phrases[:, tracks:] * behind).sum()
        assert drawn.item() == pytest.approx((odds[:, tracks:] * behind).sum().item(), rel=0.03)


@DECISIONS
@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "band"])
def test_preactivated_outputs_belong_to_the_phrases_of_their_noise(shape: RollShape, decisions: dict[str, Any]) -> None:
    generator = composer(shape, **decisions)
    noise = noise_for(generator, 20)
    with torch.no_grad():
        odds, phrases = generator.preactivated(noise), generator(noise)
    assert odds.shape == phrases.shape
    tracks = len(shape.track_set)
    assert (odds[:, :tracks][phrases[:, :tracks] > 0] > 0).all()
    assert odds[:, :tracks][phrases[:, :tracks] > 0].mean() > 2 * odds[:, :tracks].mean()


def test_numbers_of_notes_need_rests() -> None:
    network = {"kind": "composer", "chords": 3, "rests": False}
    with pytest.raises(UserError, match=r"network\.chords=3 needs network\.rests"):
        validate(PianorollConfig, {"network": network, "neuron": "sbn"}, "test")


def test_a_voice_stays_in_its_range() -> None:
    generator = composer()
    cells = generator(noise_for(generator, 20))[:, :4].amax((0, 2, 3))
    for track, sounding in zip(SATB.track_set.tracks, cells, strict=True):
        rows = sounding.nonzero().flatten() + SATB.track_set.low
        assert track.low <= rows.min()
        assert rows.max() <= track.high
        assert len(rows) > 10  # the network is untrained and tries all it may


def test_drums_always_move() -> None:
    generator = composer(BAND)
    logits = generator.logits(to_draft(coins(BAND), BAND), torch.ones(3, 5, 4, dtype=torch.bool))
    drums = torch.tensor([track.is_drum for track in BAND.track_set.tracks])
    assert logits["move"][:, drums].isposinf().all()
    assert logits["move"][:, ~drums].isfinite().all()


@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "lpd-5"])
def test_given_units_stay_unchanged(shape: RollShape) -> None:
    generator, given = composer(shape), coins(shape)
    given = to_phrases(to_draft(given, shape), shape)  # every note with its onset
    tracks, beats = len(shape.track_set), shape.bars * shape.steps // shape.resolution
    free = torch.ones(3, tracks, beats, dtype=torch.bool)
    free[:, 1] = False
    result = generator.accompany(given, free, noise_for(generator))
    for plane in range(2 if shape.encoding == "onset" else 1):
        assert torch.equal(result[:, plane * tracks + 1], given[:, plane * tracks + 1])
    assert not torch.equal(result, given)
    # The others depend on them.
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
def test_some_units_are_always_hidden_and_others_not(seed: int) -> None:
    opened = draw_open(64, 4, 2, 4, torch.Generator().manual_seed(seed))
    assert opened.shape == (64, 4, 8)
    assert opened.flatten(1).any(1).all()
    assert not opened.flatten(1).all(1).all()


def test_the_discriminator_scores_each_phrase_alone_and_differentiates_twice() -> None:
    config = validate(PianorollConfig, {"network": {"kind": "composer", "judge_channels": 4}, "neuron": "sbn"}, "test")
    torch.manual_seed(0)
    discriminator = make_discriminator(config, SATB).double()
    phrases = coins(SATB).double()
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
    with pytest.raises(UserError, match="256 beats are too many for a composer of 2000 channels"):
        composer(long, channels=2000)
    with pytest.raises(UserError, match="numbers of noise"):
        composer(RollShape(track_set="satb", resolution=12, bars=64, steps=48, encoding="onset"), stages=1024)
