"""Test the causal composer: likelihoods, sampling, given units, plans, keys, particles, and its critic."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from composers import BAND, SATB, causal, random_phrases
from torch import Tensor

from bgmusic.music.composing.generate import phrases
from bgmusic.music.networks.causal.critic_ahead import what_is_known
from bgmusic.music.networks.causal.critic_features import describe_obedience, places_under, summarize
from bgmusic.music.networks.causal.critic_stream import CriticStream
from bgmusic.music.networks.causal.particles import ParticleFilter
from bgmusic.music.networks.causal.steps import describe_steps
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.composer.masks import cells_of
from bgmusic.music.networks.keys import common_harmony, from_common, key_of, pitch_classes, to_common
from bgmusic.music.networks.plan_bits import draw_plans, features_of, plan_bits
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.plan import PARTS, Plans
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import Track, TrackSet


def two_pitches(encoding: str = "onset", steps: int = 1) -> RollShape:
    tracks = TrackSet("two", (Track("A", program=0, low=60, high=62), Track("B", program=1, low=60, high=62)), 60, 3)
    return RollShape(track_set=tracks, resolution=1, bars=1, steps=steps, encoding=encoding)


def everything(shape: RollShape) -> Tensor:
    return torch.ones(1, len(shape.track_set), shape.bars * shape.beats, dtype=torch.bool)


@pytest.mark.parametrize("encoding", ["onset", "pause"])
def test_the_probabilities_of_all_phrases_sum_to_one(encoding: str) -> None:
    shape = two_pitches(encoding)
    network = causal(shape)
    network.most.fill_(3)
    total = 0.0
    for bits in itertools.product((0.0, 1.0), repeat=6):
        cells = torch.tensor(bits).view(1, 2, 1, 1, 3)
        phrase = torch.cat([cells, cells], 1) if encoding == "onset" else cells
        frames = torch.zeros(1, dtype=torch.int64)  # otherwise the notes would choose the key
        with torch.no_grad():
            total += float((-network.nats(to_draft(phrase, shape), everything(shape), None, frames).sum()).exp())
    assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("planned", "given"), [(False, False), (True, False), (False, True), (True, True)])
def test_phrases_are_as_frequent_as_their_likelihood_says(planned: bool, given: bool) -> None:
    shape = two_pitches(steps=2)
    network = causal(shape, obedience=1.0)
    network.keys.fill_(0)
    network.keys[0] = 1
    number = 6000
    noise = torch.randn(number, network.latent, generator=torch.Generator().manual_seed(1))
    plans = Plans.unknown(PlanShape.of(shape), number)
    plans.harmony_known[:] = planned
    if planned:  # a chord of two pitch classes over C, then C sharp
        plans.harmony[:, 0, [0, 2, 12]] = plans.harmony[:, 1, [1, 13]] = True
    plan = plan_bits(plans, shape)
    known = torch.zeros(number, shape.channels, shape.bars, shape.steps, shape.pitches)
    free = everything(shape).expand(number, -1, -1).clone()
    if given:  # the second track: D, then C sharp
        free[:, 1] = False
        known[:, 1::2, :, 0, 2] = known[:, 1::2, :, 1, 1] = 1
    phrases = network.accompany(known, free, noise, plan)
    different, counts = phrases.flatten(1).unique(dim=0, return_counts=True)
    frames = None if planned or given else torch.zeros(len(different), dtype=torch.int64)
    units = free[: len(different)]
    draft = to_draft(different.view(-1, *phrases.shape[1:]), shape)
    with torch.no_grad():
        losses = network.nats(draft, units, plan.chosen(torch.arange(len(different))), frames)
    likely = (-(losses * units.transpose(1, 2)).sum((1, 2))).exp()
    expected = number * likely
    spread = (expected * (1 - likely)).sqrt().clamp(min=1)
    rare = 1e-3 * number  # a row of the rarest thousandth of a decision is replaced by the last outcome
    assert float((((counts - expected).abs() - rare).clamp(min=0) / spread).max()) < 5
    assert float(likely.sum()) > 0.9


@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "lpd-5"])
def test_earlier_decisions_do_not_depend_on_later_ones(shape: RollShape) -> None:
    network, phrases = causal(shape), random_phrases(shape)
    other = phrases.clone()
    other[:, :, -1] = random_phrases(shape, density=0.2)[:, :, -1]
    frames = torch.full((len(phrases),), 2)
    units = everything(shape).expand(len(phrases), -1, -1)
    one, two = (network.nats(to_draft(x, shape), units, None, frames) for x in (phrases, other))
    before = (shape.bars - 1) * shape.steps
    assert torch.allclose(one[:, :before], two[:, :before], atol=1e-4)
    assert not torch.allclose(one[:, before:], two[:, before:], atol=1e-4)


@pytest.mark.parametrize("strategy", ["end-to-end", "two-stage"])
@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "lpd-5"])
def test_given_units_stay_and_the_noise_decides(shape: RollShape, strategy: str) -> None:
    network, phrases = causal(shape, strategy, drafts=3), random_phrases(shape)
    free = torch.rand(3, len(shape.track_set), shape.bars * shape.beats, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(3, network.latent, generator=torch.Generator().manual_seed(2))
    made = network.accompany(phrases, free < 0.5, noise)
    assert set(made.unique().tolist()) <= {0.0, 1.0}
    cells = len(shape.track_set)
    given = ~cells_of(free < 0.5, shape)[:, :cells].expand_as(made[:, :cells])
    assert torch.equal(made[:, :cells][given], phrases[:, :cells][given])
    assert torch.equal(made, network.accompany(phrases, free < 0.5, noise))
    assert not torch.equal(made, network.accompany(phrases, free < 0.5, -noise))
    revised = network.revise(phrases, free < 0.5, noise, 2, 0.5)
    assert torch.equal(revised[:, :cells][given], phrases[:, :cells][given])


def test_plans_are_obeyed() -> None:
    band = BAND.model_copy(update={"bars": 2, "encoding": "onset"})
    network, phrases = causal(band), random_phrases(band)
    phrases[:, :, 1] = phrases[:, :, 0]
    phrases[:, 0::5, 0] = 0  # the first track rests in the first bar
    plans = extract_channels(phrases.numpy() > 0.5, band)
    noise = torch.randn(3, network.latent)
    free = torch.ones(3, len(band.track_set), band.bars * band.beats, dtype=torch.bool)
    made = network.accompany(torch.zeros_like(phrases), free, noise, plan_bits(plans, band))
    found = extract_channels(made.numpy() > 0.5, band)
    assert not (found.instruments & ~plans.instruments).any()
    again = plans.repeats < np.arange(band.bars)
    assert again.any()
    assert (found.repeats[again] == plans.repeats[again]).all()
    assert made.any()


def test_imitation_learns_and_reaches_every_weight() -> None:
    network = causal(SATB).train()
    loss = network.imitation(random_phrases(SATB), torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.isfinite()
    still = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert not still


def test_the_critic_tells_drafts_from_real_music_and_alone_learns() -> None:
    network = causal(SATB, "two-stage", critic_dropout=0.0).train()
    assert {name.split(".")[0] for name, weight in network.named_parameters() if weight.requires_grad} == {"critic"}
    optimizer = torch.optim.Adam([weight for weight in network.parameters() if weight.requires_grad], 1e-3)
    rng, losses = torch.Generator().manual_seed(0), []
    for _ in range(12):
        losses.append(network.imitation(random_phrases(SATB, 8), rng))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert float(sum(losses[-4:]).detach()) / 4 < 0.5 * float(losses[0].detach())
    made = network.eval()(torch.randn(1, network.latent))
    assert made.shape == (1, SATB.channels, SATB.bars, SATB.steps, SATB.pitches)


def test_particles_follow_the_judged_distribution() -> None:
    batch, drafts = 400, 32
    rng = torch.Generator().manual_seed(0)
    uniforms = torch.rand(batch, 2, generator=rng)
    weights = torch.tensor([0.2, 1.8]).log()  # of real music over drafts, for silence and for a note

    class _Weights:
        logits = torch.zeros(batch * drafts)

        def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
            self.logits = self.logits + weights[cells[:, :, 0, 0].long()].sum(1)
            return self.logits

        def replace(self, places: Tensor, rows: Tensor) -> None:
            self.logits = self.logits.index_copy(0, places, self.logits[rows])

    particles = ParticleFilter(_Weights(), drafts, uniforms)
    bits = torch.rand(batch * drafts, 2, 1, 1, generator=rng) < 0.5
    places, rows = particles.draw(bits[:, :1], bits[:, :1])
    bits[places, :1] = bits[rows, :1]
    chosen = bits[particles.result(bits[:, 1:], bits[:, 1:])][:, :, 0, 0].float()
    assert chosen.mean(0).tolist() == pytest.approx([0.9, 0.9], abs=0.05)


@pytest.mark.parametrize("planned", [0.3, 0.0])
@pytest.mark.parametrize(
    "shape", [SATB, BAND, BAND.model_copy(update={"resolution": 12})], ids=["satb", "lpd-5", "fine"]
)
def test_drafts_are_judged_step_by_step_as_whole_beginnings(shape: RollShape, planned: float) -> None:
    network = causal(shape, "two-stage", critic_dropout=0.0, returns=2, registers=True)
    assert network.critic is not None
    critic, real = network.critic.known, random_phrases(shape)
    real[::2, :, -1] = real[::2, :, 0]  # bars return
    draft = to_draft(real, shape)
    draft = draft.map(lambda plane: to_common(plane, torch.zeros(len(plane), dtype=torch.int64), shape))
    cells = draft.cells.transpose(1, 2) > 0.5
    rng = torch.Generator().manual_seed(0)
    chords = torch.rand(1, shape.bars * shape.beats, 2, cells.shape[-1], generator=rng) < planned
    chords = chords.repeat_interleave(shape.unit, 1).expand(len(cells), -1, -1, -1)
    critic.rules.weight.data.normal_(generator=rng)
    critic.parallels.data.normal_(generator=rng)
    critic.returns.data.normal_(generator=rng)
    assert critic.repeats is not None
    critic.repeats.data.normal_(std=1e-2, generator=rng)
    assert critic.registers is not None
    critic.registers.weight.data.normal_(std=1e-2, generator=rng)
    assert critic.ahead is not None
    critic.ahead.weight.data.normal_(generator=rng)
    free = torch.rand(1, len(shape.track_set), shape.bars * shape.beats, generator=rng) < 0.5
    known = what_is_known(cells[:1], free, chords[:1], torch.tensor([3]), shape).repeated(len(cells))
    steps = describe_steps(cells, None if draft.onsets is None else draft.onsets.transpose(1, 2) > 0.5)
    stream, unit = CriticStream(critic, known), shape.unit
    with torch.no_grad():
        whole = critic(steps, cells, known)
        order = torch.arange(len(cells))
        for begin in range(0, cells.shape[1], unit):
            here = slice(begin, begin + unit)
            logits = stream(cells[order, here], steps.started[order, here])
            assert torch.allclose(logits, whole[order, (begin + unit) // critic.stride - 1], atol=1e-5)
            stream.replace(torch.tensor([0]), torch.tensor([2]))
            order[0] = order[2]


def test_keys_are_found_and_transposition_is_undone() -> None:
    shape = SATB
    for key in range(12):
        scale = [(key + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)]
        cells = torch.zeros(1, 4, 8, shape.pitches)
        for row in range(shape.pitches):
            if (row + shape.track_set.low) % 12 in scale:
                cells[:, :, row % 8, row] = 1
        found = key_of(pitch_classes(cells, shape))
        assert found.tolist() == [key]
        common = to_common(cells, found, shape)
        assert torch.equal(from_common(common, found, shape), cells)
        classes = (torch.arange(common.shape[3]) + shape.track_set.low - 6) % 12
        assert set(classes[common.any(1).any(1)[0]].tolist()) == {0, 2, 4, 5, 7, 9, 11}
        harmony = torch.zeros(1, 1, 12)
        harmony[0, 0, scale] = 1
        assert common_harmony(harmony, found)[0, 0].nonzero().flatten().tolist() == [0, 2, 4, 5, 7, 9, 11]


def test_drums_stay_in_every_key() -> None:
    phrases = random_phrases(BAND)
    draft = to_draft(phrases, BAND)
    common = to_common(draft.cells, torch.tensor([1, 6, 11]), BAND)
    assert torch.equal(common[:, 0, :, 6:-6], draft.cells[:, 0])


def test_hidden_plans_say_nothing() -> None:
    phrases = random_phrases(SATB, 64)
    plan = draw_plans(phrases, SATB, torch.Generator().manual_seed(0))
    assert plan.bits.shape == (64, SATB.bars * SATB.beats, features_of(SATB))
    unknown = ~plan.bits.flatten(1).any(1)
    assert 0.2 < float(unknown.float().mean()) < 0.6
    assert not plan.silent[unknown].any()
    assert not plan.decided[unknown].any()
    plan = draw_plans(random_phrases(SATB, 512), SATB, torch.Generator().manual_seed(0), unknown=0.0)
    assert plan.bits.flatten(1).any(1).all()


def test_one_part_of_some_plans_is_known_alone() -> None:
    phrases = random_phrases(SATB, 512)
    whole, some = (draw_plans(phrases, SATB, torch.Generator().manual_seed(0), 0.0, share) for share in (0.0, 1.0))
    partly = (some.bits != whole.bits).flatten(1).any(1)
    assert 0.35 < float(partly.float().mean()) < 0.5  # six in thirteen
    plans = extract_channels(phrases.numpy() > 0.5, SATB)
    shares = {}
    for part in PARTS:
        bits = plan_bits(plans.only(part), SATB).bits
        shares[part] = float((some.bits == bits).flatten(1).all(1)[partly].float().mean())
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) > 0.1
    assert 0.4 < shares["harmony"] < 0.6


def test_planned_chords_and_basses_are_weighed() -> None:
    network, phrases = causal(SATB), random_phrases(SATB)
    plans = extract_channels(phrases.numpy() > 0.5, SATB)
    network.most.fill_(1)
    harmony = np.zeros_like(plans.harmony)
    harmony[..., [0, 4, 7, 12]] = True  # a C major triad over C
    plans = Plans(plans.shape, **{**plans.only("harmony").arrays(), "harmony": harmony})
    with torch.no_grad():
        for decoder in network.decoders:
            decoder.harmony.weight.zero_()
            decoder.harmony.bias.copy_(torch.tensor([500.0, 0.0, 0.0, 0.0, 0.0]))
    free = torch.ones(3, 4, SATB.bars * SATB.beats, dtype=torch.bool)
    made = network.accompany(torch.zeros_like(phrases), free, torch.randn(3, network.latent), plan_bits(plans, SATB))
    rows = made[:, :4].any(1).any(1).any(1).any(0).nonzero().flatten() + SATB.track_set.low
    assert set((rows % 12).tolist()) <= {0, 4, 7}
    assert made.any()


@pytest.mark.parametrize("strategy", ["end-to-end", "two-stage"])
def test_a_phrase_does_not_depend_on_its_batch(strategy: str) -> None:
    network = causal(SATB, strategy, drafts=3, width=32, hidden=48)
    together = phrases(network, SATB, 5, 0)
    alone = [phrases(network, SATB, 1, 0, first=number) for number in range(5)]
    assert (together == np.concatenate(alone)).all()
    assert network.batch >= 5 or network.least is None


def test_sketches_end_with_the_accompaniment() -> None:
    network, phrases = causal(SATB, "two-stage", drafts=3), random_phrases(SATB)
    free = torch.ones(3, 4, SATB.bars * SATB.beats, dtype=torch.bool)
    free[:, 0] = False
    noise = torch.randn(3, network.latent, generator=torch.Generator().manual_seed(0))
    sketches = list(network.sketches(phrases, free, noise))
    beats = 2 * SATB.bars * SATB.beats  # of the sketch that decides on chords, then of the accompaniment
    assert [share for _, share in sketches] == [(beat + 1) / beats for beat in range(beats)]
    first = sketches[0][0]
    assert first.shape == phrases.shape
    assert not first[:, 1:4, 1:].any()
    assert torch.equal(sketches[-1][0], network.accompany(phrases, free, noise))


def test_obedience_to_planned_chords_is_described() -> None:
    """Two tracks, one beat of four steps per chord: C over C, then C over E; the second bar is not planned."""
    track_set = TrackSet(
        "two", (Track("A", program=0, low=48, high=72), Track("B", program=1, low=48, high=72)), 48, 25
    )
    shape = RollShape(track_set=track_set, resolution=4, bars=2, steps=8, encoding="onset")
    rows = torch.arange(-6, 31)  # of the common key: six below the lowest pitch, C
    cells = torch.zeros(1, 16, 2, len(rows), dtype=torch.bool)
    chords = torch.zeros(1, 16, 2, len(rows), dtype=torch.bool)
    chords[:, :8, 0] = torch.isin(rows % 12, torch.tensor([0, 4, 7]))
    chords[:, :4, 1], chords[:, 4:8, 1] = rows % 12 == 0, rows % 12 == 4

    def play(track: int, steps: slice, pitch: int) -> None:
        cells[:, steps, track, pitch + 6] = True

    play(1, slice(0, 4), 0)  # the bass of its chord
    play(1, slice(4, 8), 0)  # in the chord, but not its bass
    play(0, slice(4, 6), 16)
    play(0, slice(6, 8), 14)  # outside
    play(1, slice(8, 16), 2)
    steps = describe_steps(cells, None)
    summary = summarize(steps.line, steps.started, cells, shape)
    found = describe_obedience(summary, cells, chords, places_under(chords, shape), shape)[0]
    none, outside, inside, bass = range(4)
    within, first, changed = 1, 2, 3
    lowest = [[bass, changed], *[[bass, within]] * 3, [inside, changed], *[[inside, within]] * 3]
    assert [[int(code) // 4, int(code) % 4] for code in found[:8, 0]] == lowest
    assert (found[8:, 0] % 4 == 0).all()
    upper = [[none, 0, changed], *[[none, 0, within]] * 3, [bass, 1, changed], [bass, 0, within]]
    upper += [[outside, 1, within], [outside, 0, within]]
    assert [[int(code) // 8, int(code) // 4 % 2, int(code) % 4] for code in found[:8, 1]] == upper
    assert first not in (found[:, 0] % 4).tolist()  # each beat has a chord of its own
