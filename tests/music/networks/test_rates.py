"""Test weights of rates: what they count, how drafts are judged by them, and what learns."""

from __future__ import annotations

import pytest
import torch
from composers import BAND, SATB, causal, random_phrases
from pydantic import ValidationError
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.causal.rates import BEATS, Counts, JudgedRates, RateWeights, count_phrases, sounding_classes
from bgmusic.music.networks.causal.steps import by_step, describe_steps
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.rolls.shape import RollShape

LONG = SATB.model_copy(update={"bars": 3})
TRACK, DRUMS = 1, list(BAND.drums).index(True)


def spread(shape: RollShape = SATB) -> RateWeights:
    """Make weights that are random, instead of zero."""
    weights = RateWeights(len(shape.track_set))
    with torch.no_grad():
        for weight in weights.parameters():
            weight.normal_()
    return weights


def planes(phrases: Tensor, shape: RollShape) -> tuple[Tensor, Tensor]:
    cells, onsets = by_step(to_draft(phrases, shape))
    return cells, describe_steps(cells, onsets).started


def count(phrases: Tensor, shape: RollShape) -> Counts:
    return count_phrases(*by_step(to_draft(phrases, shape)), shape)


def test_pitch_classes_that_enter_and_their_beats_are_counted() -> None:
    beats = [{0}, {0, 4}, set[int](), {0, 7}, *[{0}] * BEATS]
    shape = SATB.model_copy(update={"bars": 3})
    phrases = torch.zeros_like(random_phrases(shape, 1))
    track = phrases[0, TRACK].flatten(0, 1)
    for beat, classes in enumerate(beats):
        for pitch in classes:
            track[beat * shape.unit, pitch] = 1
    counts = count(phrases, shape)
    assert counts.entering[0].tolist() == [1] * 3 + [0] * 9
    assert counts.beats[0].tolist() == [3] + [1] * (BEATS - 1)  # class 0 in many beats, 4 and 7 in one each


def test_drums_have_no_pitch_class() -> None:
    phrases = torch.zeros_like(random_phrases(BAND, 1))
    phrases[0, DRUMS, 0, 0, 3] = 1
    assert not sounding_classes(by_step(to_draft(phrases, BAND))[0], BAND).any()
    phrases[0, list(BAND.drums).index(False), 0, BAND.unit, 3] = 1
    found = sounding_classes(by_step(to_draft(phrases, BAND))[0], BAND)
    assert found.sum() == found[0, 1].sum() == 1


def held_and_struck() -> Tensor:
    """Return a phrase of one track: a note over the first bar line and the beat after it, another within a beat."""
    phrases = torch.zeros_like(random_phrases(SATB, 1))
    track = phrases[0, TRACK].flatten(0, 1)  # a view: (steps, pitches)
    track[SATB.steps - 1 : SATB.steps + SATB.unit + 1, 7] = 1
    track[2 * SATB.steps - 3, 9] = 1
    return phrases


@pytest.mark.parametrize(
    ("name", "place", "number"),
    [
        ("held", (TRACK, 0), 1),
        ("held", (TRACK, 1), 1),
        ("held", (0, 0), 0),
        ("sounding", (TRACK, 0), 4),
        ("sounding", (TRACK, 1), 2),
        ("notes", (TRACK, 0), 0),
        ("notes", (TRACK, 1), 2),
    ],
)
def test_notes_and_beats_are_counted_by_track_and_place(name: str, place: tuple[int, ...], number: float) -> None:
    assert getattr(count(held_and_struck(), SATB), name)[0][place] == number


@pytest.mark.parametrize(
    ("name", "same_pitch"), [("rhythms", True), ("rhythms", False), ("again", True), ("again", False)]
)
@pytest.mark.parametrize("ago", [1, 2])
def test_rhythms_and_notes_that_return_are_counted(name: str, same_pitch: bool, ago: int) -> None:
    phrases = torch.zeros_like(random_phrases(LONG, 1))
    for bar, pitch in ((0, 5), (ago, 5 if same_pitch else 6)):
        phrases[0, TRACK, bar, 1, pitch] = 1
    found = getattr(count(phrases, LONG), name)[0, TRACK]
    assert found[ago - 1].tolist() == [float(name == "rhythms" or same_pitch)] * 2  # the beat, and the bar
    assert not found[2 - ago].any()


def test_counts_are_divided_by_the_deviations_of_the_first_real_phrases() -> None:
    weights, counts = spread(), count(random_phrases(SATB, 6, 0.03), SATB)
    expected = torch.zeros(6)
    for name, values in vars(counts).items():
        scaled = values / values.std(0, correction=0).clamp(min=0.25)
        expected += (scaled * getattr(weights, name).detach()).flatten(1).sum(1)
    for seen in (counts, count(random_phrases(SATB, 4, 0.1), SATB)):
        weights.see(seen)
        torch.testing.assert_close(weights(counts).detach(), expected)


class Nothing:
    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        return torch.zeros(len(cells))

    def replace(self, places: Tensor, rows: Tensor) -> None: ...


def test_drafts_are_judged_beat_by_beat_as_whole_phrases_are() -> None:
    weights, phrases = spread(), random_phrases(SATB, 5, 0.03)
    cells, starts = planes(phrases, SATB)

    def judged(judge: JudgedRates, rows: Tensor, beats: range) -> Tensor:
        for beat in beats:
            here = slice(beat * SATB.unit, (beat + 1) * SATB.unit)
            logits = judge(cells[rows][:, here], starts[rows][:, here])
        return logits

    with torch.no_grad():
        whole, order = weights(count(phrases, SATB)), torch.arange(5)
        beats = SATB.bars * SATB.beats
        judge = JudgedRates(Nothing(), weights, SATB, 5)
        judged(judge, order, range(beats // 2))
        judge.replace(torch.tensor([0, 1]), torch.tensor([3, 4]))
        order = torch.tensor([3, 4, 2, 3, 4])
        torch.testing.assert_close(judged(judge, order, range(beats // 2, beats)), whole[order])


def number_of_notes(network: CausalComposer, free: Tensor, noise: Tensor) -> float:
    made = network.accompany(torch.zeros(len(noise), *random_phrases(SATB, 1).shape[1:]), free, noise)
    return float(planes(made, SATB)[1].float().sum((1, 2, 3)).mean())


@pytest.mark.parametrize("blank", [True, False])
def test_weights_change_what_is_composed(blank: bool) -> None:
    network = causal(SATB, "two-stage", drafts=6, rates=True, sketches=0)
    assert network.rates is not None
    noise = torch.randn(8, network.latent, generator=torch.Generator().manual_seed(5))
    free = torch.ones(8, 4, SATB.bars * SATB.beats, dtype=torch.bool)
    free[:, 0] = blank
    chosen, other = (network.rates.blank, network.rates.known)[:: 1 if blank else -1]
    before = number_of_notes(network, free, noise)
    with torch.no_grad():
        other.notes.fill_(-5.0)
        assert number_of_notes(network, free, noise) == before
        found = []
        for weight in (-5.0, 0.0, 5.0):
            chosen.notes.fill_(weight)
            found.append(number_of_notes(network, free, noise))
    assert found[0] < found[1] == before < found[2]


def test_rates_are_learnt() -> None:
    network = causal(SATB, "two-stage", drafts=4, rates=True, learns="rates", contrast="composed")
    assert network.rates is not None
    learnt = [name for name, weight in network.named_parameters() if weight.requires_grad]
    assert learnt
    assert all(name.startswith("rates.") for name in learnt)
    real = torch.zeros_like(random_phrases(SATB, 8))
    real[:, :4, :, :, 5] = 1  # each track plays one note
    optimizer = torch.optim.Adam(network.rates.parameters(), 0.1)
    for step in range(6):
        loss = network.train().imitation(real, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for weights in (network.rates.blank, network.rates.known):
        assert weights.entering[1] < 0
        assert weights.entering[0].item() == pytest.approx(0, abs=1e-6)  # it enters in all phrases
        assert weights.notes.max() < 0 < weights.held[0, 1]


def test_what_learns_must_be_there() -> None:
    with pytest.raises(ValidationError, match="rates"):
        causal(SATB, "two-stage", learns="rates")
    with pytest.raises(UserError, match="two-stage"):
        causal(SATB, learns="rates", rates=True)
