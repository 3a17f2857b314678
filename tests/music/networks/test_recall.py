"""Test what is recalled of earlier phrases: likelihood and sampling, what returns, and what learns."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from composers import BAND, SATB, causal, random_phrases
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.networks.causal.again import Again, Counts, Returning, count_returns, sounding_beats
from bgmusic.music.networks.causal.agreement import SIZES, agreements
from bgmusic.music.networks.causal.critic_returns import number_notes, returning
from bgmusic.music.networks.causal.earlier import recalled
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.causal.recalled import RecallableBeats, Recalled
from bgmusic.music.networks.causal.returns import first_of
from bgmusic.music.networks.causal.rows import planned_rows
from bgmusic.music.networks.causal.steps import Steps, by_step, describe_steps
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.keys import to_common
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.networks.plan_bits import plan_bits
from bgmusic.music.plans.plan import Plans
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import Track, TrackSet
from bgmusic.yaml import validate

_TWO = (Track("A", program=0, low=60, high=62), Track("B", program=1, low=60, high=62))
BEATS = RollShape(track_set=TrackSet("two", _TWO, 60, 3), resolution=1, bars=1, steps=2, encoding="onset")
PULSE = RollShape(track_set=TrackSet("one", _TWO[:1], 60, 3), resolution=2, bars=1, steps=4, encoding="onset")
LOOPS = BAND.model_copy(update={"bars": 2, "encoding": "onset"})


def recalling(shape: RollShape, strategy: str = "end-to-end", spread: float = 0.5, **changes: Any) -> CausalComposer:
    """Make a composer whose weights of what it recalls are random, instead of zero."""
    network = causal(shape, strategy, **{"recall": 2, **changes})
    assert network.recall is not None
    with torch.no_grad():
        for weight in network.recall.parameters():
            weight.add_(spread * torch.randn(weight.shape))
    return network


def before(shape: RollShape, batch: int = 3, phrases: int = 2) -> Tensor:
    long = shape.model_copy(update={"bars": phrases * shape.bars})
    return random_phrases(long, batch, 0.1)


def everything(shape: RollShape, batch: int = 3) -> Tensor:
    return torch.ones(batch, len(shape.track_set), shape.bars * shape.beats, dtype=torch.bool)


def describe(phrases: Tensor, shape: RollShape) -> tuple[Steps, Tensor]:
    """Describe phrases in C."""
    keys = torch.zeros(len(phrases), dtype=torch.int64)
    cells, onsets = by_step(to_draft(phrases, shape).map(lambda plane: to_common(plane, keys, shape)))
    return describe_steps(cells, onsets), cells


def described(network: CausalComposer, earlier: Tensor) -> Recalled:
    keys, shape = torch.zeros(len(earlier), dtype=torch.int64), network.shape
    found = recalled(earlier, keys, planned_rows(None, keys, shape), network.settings, shape)
    assert found is not None
    return found


@pytest.mark.parametrize(("shape", "number"), [(BEATS, 8000), (PULSE, 60_000)])
def test_phrases_are_as_frequent_as_their_likelihood_says(
    shape: RollShape, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, tracks = recalling(shape, spread=0.2), len(shape.track_set)
    with torch.no_grad():
        for decoder in network.decoders:  # an untrained network hardly plays
            decoder.change.bias.fill_(1.0)
            decoder.rows.bias.copy_(torch.tensor([0.0, 1.0, 0.0, -3.0] + [0.0] * (len(decoder.rows.bias) - 4)))
            decoder.rows.weight.mul_(0.3)
        for layer in network.recall.layers:
            layer.bias.view(2, -1)[:, 8] += 2.5  # beats are played again in about half of the cases
    network.keys.fill_(0)
    network.keys[0] = 1
    earlier = torch.zeros(1, shape.channels, 2, shape.steps, 3)
    earlier[0, ::tracks, 0, :2, 0] = earlier[0, ::tracks, 1, 0, 1] = 1
    earlier[0, tracks - 1, :, -1, 2] = earlier[0, 2 * tracks - 1, :, -1, 2] = 1
    earlier = earlier.expand(number, -1, -1, -1, -1)
    noise = torch.randn(number, network.latent, generator=torch.Generator().manual_seed(1))
    free = everything(shape, number)
    made = network.accompany(torch.zeros(number, shape.channels, 1, shape.steps, 3), free, noise, earlier=earlier)
    different, counts = made.flatten(1).unique(dim=0, return_counts=True)
    units, earlier = free[: len(different)], earlier[: len(different)]
    likely = torch.zeros(len(different))
    # The same notes may be played again, or be decided note by note: all ways are added up.
    places = list(itertools.product(range(shape.beats), range(tracks)))
    for chosen in itertools.product(range(3), repeat=len(places)):
        seen: list[Tensor] = []

        def some(true: Tensor, chosen: tuple[int, ...] = chosen, seen: list[Tensor] = seen) -> Tensor:
            label, exists = first_of(true), torch.ones(true.shape[1], dtype=torch.bool)
            for (beat, track), phrase in zip(places, chosen, strict=True):
                label[:, beat, track] = phrase
                exists = exists & (true[phrase - 1, :, beat, track] if phrase else True)
            seen.append(exists)
            return label

        monkeypatch.setattr("bgmusic.music.networks.causal.recollection.first_of", some)
        with torch.no_grad():
            frames = torch.zeros(len(different), dtype=torch.int64)
            draft = to_draft(different.view(-1, *made.shape[1:]), shape)
            losses = network.nats(draft, units, None, frames, earlier).sum((1, 2))
        likely += torch.where(seen[0], (-losses).exp(), 0.0)
    expected = number * likely
    spread = (expected * (1 - likely)).sqrt().clamp(min=1)
    assert float(((counts - expected).abs() / spread).max()) < 5
    assert float(likely.sum()) > 0.9


@pytest.mark.parametrize("strategy", ["end-to-end", "two-stage"])
def test_where_nothing_came_before_nothing_changes(strategy: str) -> None:
    plain, network = causal(LOOPS, strategy, drafts=3), recalling(LOOPS, strategy, drafts=3)
    network.begin_with(dict(plain.state_dict()))
    free, noise = everything(LOOPS), torch.randn(3, network.latent)
    silence = torch.zeros(3, LOOPS.channels, 2 * LOOPS.bars, LOOPS.steps, LOOPS.pitches)
    given = torch.zeros_like(random_phrases(LOOPS))
    expected = plain.accompany(given, free, noise)
    assert torch.equal(network.accompany(given, free, noise), expected)
    assert torch.equal(network.accompany(given, free, noise, earlier=silence), expected)
    assert not torch.equal(network.accompany(given, free, noise, earlier=before(LOOPS)), expected)
    plain.begin_with(dict(network.state_dict()))  # as a stage after it would that recalls nothing
    assert torch.equal(plain.accompany(given, free, noise), expected)


@pytest.mark.parametrize("returns", [0, 2])
def test_a_phrase_does_not_depend_on_its_batch(returns: int) -> None:
    network = recalling(LOOPS, "two-stage", drafts=3, width=32, hidden=48, returns=returns, doubles=returns > 0)
    free, earlier = everything(LOOPS, 5), before(LOOPS, 5)
    noise = torch.randn(5, network.latent, generator=torch.Generator().manual_seed(3))
    given = torch.zeros(5, LOOPS.channels, LOOPS.bars, LOOPS.steps, LOOPS.pitches)
    together = network.accompany(given, free, noise, earlier=earlier)
    for row in range(5):
        one = slice(row, row + 1)
        assert torch.equal(network.accompany(given[one], free[one], noise[one], earlier=earlier[one]), together[one])


@pytest.mark.parametrize("phrase", [0, 1])
def test_beats_are_played_again_where_the_neurons_say_so(phrase: int) -> None:
    network = causal(SATB, "two-stage", drafts=2, recall=2)
    assert network.recall is not None
    with torch.no_grad():
        for layer in network.recall.layers:
            layer.bias.view(2, -1)[:, 8] = torch.tensor([-40.0, -40.0])
            layer.bias.view(2, -1)[phrase, 8] = 40.0
    earlier = torch.zeros(2, SATB.channels, 2 * SATB.bars, SATB.steps, SATB.pitches)
    for bar in range(4):
        earlier[:, :, bar, ::4, 10 + bar] = 1  # a note of one step on each beat of each track
    noise = torch.randn(2, network.latent, generator=torch.Generator().manual_seed(0))
    made = network.accompany(torch.zeros_like(random_phrases(SATB, 2)), everything(SATB, 2), noise, earlier=earlier)
    bars = slice(2 * (1 - phrase), 2 * (2 - phrase))
    assert torch.equal(made, earlier[:, :, bars])


def test_given_units_stay_and_silent_ones_are_silent() -> None:
    network, real = recalling(LOOPS, "two-stage", drafts=3), random_phrases(LOOPS)
    free = (
        torch.rand(3, len(LOOPS.track_set), LOOPS.bars * LOOPS.beats, generator=torch.Generator().manual_seed(1)) < 0.5
    )
    plans = Plans.unknown(PlanShape.of(LOOPS), 3)
    plans.instruments_known[:, 1] = True
    plan = plan_bits(plans, LOOPS)
    made = network.accompany(real, free, torch.randn(3, network.latent), plan, earlier=before(LOOPS))
    tracks = len(LOOPS.track_set)
    given = ~free.repeat_interleave(LOOPS.unit, 2).unflatten(2, (LOOPS.bars, -1))[..., None]
    assert torch.equal(made[:, :tracks] * given, real[:, :tracks] * given)
    assert not (made[:, 1::tracks] * ~given[:, 1:2]).any()


def test_agreement_is_that_of_a_count() -> None:
    network = recalling(SATB)
    phrases, earlier = random_phrases(SATB, density=0.02), before(SATB)
    # The first track plays what it played a phrase before, but for one note.
    phrases[:, ::4] = earlier[:, ::4, SATB.bars :]
    phrases[:, 0, 1, 0, 30] = phrases[:, 4, 1, 0, 30] = 1 - phrases[:, 0, 1, 0, 30]
    phrases[:, :4] = torch.maximum(phrases[:, :4], phrases[:, 4:])
    steps, _ = describe(phrases, SATB)
    old = described(network, earlier)
    codes = agreements(steps, old, SATB)

    def level(present: int, equal: int, levels: int) -> int:
        if not present:
            return 0
        if equal in (0, present):
            return 1 if not equal else levels - 1
        return 2 if levels == 4 or 2 * equal < present else 3

    length, tracks = SATB.bars * SATB.steps, 4
    for row, step, phrase in itertools.product(range(3), range(0, length, 3), range(2)):
        counts = torch.zeros(3, tracks, 2, dtype=torch.int64)
        for place, size in enumerate((SATB.unit, SATB.steps, length)):
            for earlier_step, track in itertools.product(range(max(0, step - size), step), range(tracks)):
                now, then = steps.started[row, earlier_step, track], old.started[row, earlier_step, track, phrase]
                if bool(now.any() or then.any()):
                    counts[place, track] += torch.tensor([1, int(torch.equal(now, then))])
        for track in range(tracks):
            expected = []
            for of in (counts[:, track], counts.sum(1)):
                (beat, bar, whole) = (tuple(pair) for pair in of.tolist())
                expected += [5 * level(*beat, 4) + level(*bar, 5), level(*whole, 5)]
            assert codes[row, step, track, phrase].tolist() == [*expected, 0]
    assert codes.amax((0, 1, 2, 3)).tolist() < list(SIZES)
    assert (codes[:, 8:16, 0, 0, 0] == 19).any()  # all of the beat and the bar agree


def test_notes_outside_the_planned_chord_do_not_fit() -> None:
    network = recalling(SATB)
    earlier = torch.zeros(1, SATB.channels, 2 * SATB.bars, SATB.steps, SATB.pitches)
    low = SATB.track_set.low
    earlier[:, 0::4, :, 0, 60 - low] = earlier[:, 0::4, :, 4, 61 - low] = 1
    keys = torch.zeros(1, dtype=torch.int64)
    plans = Plans.unknown(PlanShape.of(SATB), 1)
    plans.harmony_known[:, :2] = True
    plans.harmony[:, :2, [0, 4, 7, 12]] = True
    chords = planned_rows(plan_bits(plans, SATB), keys, SATB)
    found = recalled(earlier, keys, chords, network.settings, SATB)
    assert found is not None
    assert found.fits[0, [0, 4, 8], 0].tolist() == [[1, 1], [2, 2], [0, 0]]


@pytest.mark.parametrize("contrast", ["drafts", "composed"])
def test_only_what_is_recalled_learns(contrast: str) -> None:
    network = causal(LOOPS, "two-stage", drafts=3, recall=2, learns="recall", contrast=contrast, returns=1).train()
    looped = random_phrases(LOOPS.model_copy(update={"bars": 2}), 4, 0.1).repeat(1, 1, 3, 1, 1)
    loss = network.imitation(looped, torch.Generator().manual_seed(0))
    loss.backward()
    learnt = {name for name, weight in network.named_parameters() if weight.grad is not None}
    own = {name for name, _ in network.named_parameters() if name.startswith("recall.")}
    assert learnt == {name for name in own if ("returning" in name) == (contrast == "composed")}


def test_what_returns_is_learnt() -> None:
    network = causal(LOOPS, "two-stage", drafts=1, recall=2, learns="recall").train()
    looped = random_phrases(LOOPS, 8, 0.1).repeat(1, 1, 3, 1, 1)
    losses = []
    optimizer = torch.optim.Adam([weight for weight in network.parameters() if weight.requires_grad], 0.05)
    for step in range(30):
        loss = network.imitation(looped, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
    network.eval()
    free = everything(LOOPS, 8)
    free[:, :, : free.shape[2] // 2] = False
    made = network.accompany(looped[:, :, :2], free, torch.randn(8, network.latent), earlier=looped[:, :, :4])
    tracks = len(LOOPS.track_set)
    same = (made == looped[:, :, :2])[:, :tracks, 1].unflatten(2, (LOOPS.beats, -1)).flatten(3).all(-1)
    assert float(same.float().mean()) > 0.9


def test_weights_of_what_returns_change_how_often_it_does() -> None:
    network = causal(SATB, "two-stage", drafts=4, recall=2)
    assert network.recall is not None
    earlier, noise = before(SATB, 8), torch.randn(8, network.latent, generator=torch.Generator().manual_seed(5))
    given, found = torch.zeros_like(random_phrases(SATB, 8)), []
    for weight in (-5.0, 0.0, 5.0):
        with torch.no_grad():
            network.recall.returning.again.fill_(weight)
        steps, cells = describe(network.accompany(given, everything(SATB, 8), noise, earlier=earlier), SATB)
        old = described(network, earlier)
        found.append(float(count_returns(cells, steps.started, old, SATB).sum()))
    assert found[0] < found[1] < found[2]


def test_drafts_are_judged_beat_by_beat_as_whole_phrases_are() -> None:
    network, phrases = recalling(SATB), random_phrases(SATB, density=0.02)
    earlier = torch.cat([phrases, random_phrases(SATB, density=0.1)], 2)
    earlier[1] = 0
    phrases[2, :, 1] = phrases[2, :, 0]
    old, weights = described(network, earlier), Returning(4, 2)
    steps, cells = describe(phrases, SATB)

    class Nothing:
        def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
            return torch.zeros(len(cells))

        def replace(self, places: Tensor, rows: Tensor) -> None: ...

    counts = count_returns(cells, steps.started, old, SATB)
    of_bars = returning(number_notes(cells, steps.started), SATB, SATB.bars * SATB.steps).float().sum(1)
    assert [bool(counts[row].any()) for row in (0, 1)] == [True, False]
    assert of_bars[2].any()
    with torch.no_grad():
        for weight in weights.parameters():
            weight.normal_()
        judge = Again(Nothing(), old, 1, weights, SATB)
        for beat in range(SATB.bars * SATB.beats):
            here = slice(beat * SATB.unit, (beat + 1) * SATB.unit)
            logits = judge(cells[:, here], steps.started[:, here])
        notes = steps.started.float().sum((1, 3)) / SATB.steps
        sounding = sounding_beats(cells, SATB.unit)
        torch.testing.assert_close(logits, weights(Counts(counts, of_bars, notes, sounding)))


def test_a_beat_is_that_of_the_nearest_phrase() -> None:
    network = recalling(PULSE)
    earlier = torch.zeros(1, 2, 2, 4, 3)
    earlier[0, :, :, 0, 0] = earlier[0, :, 1, 2, 1] = earlier[0, :, 0, 2, 2] = 1  # first beats are equal, others not
    beats = RecallableBeats(described(network, earlier), PULSE.unit)
    silence = torch.zeros(1, 2, 1, 3 + 12, dtype=torch.bool)
    assert beats.possible(silence)[0, :, 0].tolist() == [[True, False], [True, True]]


def test_what_does_not_fit_is_refused() -> None:
    network = recalling(SATB)
    given, free, noise = torch.zeros_like(random_phrases(SATB)), everything(SATB), torch.randn(3, network.latent)
    with pytest.raises(ValueError, match="earlier bars"):
        network.accompany(given, free, noise, earlier=before(SATB, phrases=1))
    with pytest.raises(UserError, match="two-stage"):
        causal(SATB, recall=1, learns="recall")
    with pytest.raises(UserError, match="recall"):
        validate(PianorollConfig, {"network": {"kind": "causal", "learns": "recall"}}, "test")
