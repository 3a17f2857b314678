"""Test beats that return: how they are found, that sampling and likelihood agree, and that batches don't matter."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from composers import BAND, SATB, causal, random_phrases
from torch import Tensor

from bgmusic.music.composing.generate import phrases
from bgmusic.music.networks.causal.returns import Returns, describe_returns
from bgmusic.music.networks.causal.steps import describe_steps
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.composer.masks import cells_of
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import Track, TrackSet

_TWO = (Track("A", program=0, low=60, high=62), Track("B", program=1, low=60, high=62))
BARS = RollShape(track_set=TrackSet("two", _TWO, 60, 3), resolution=1, bars=2, steps=1, encoding="onset")
PULSE = RollShape(track_set=TrackSet("one", _TWO[:1], 60, 3), resolution=2, bars=2, steps=2, encoding="onset")
LOOPS = BAND.model_copy(update={"bars": 4, "encoding": "onset"})


def found(bars: list[list[str]], ago: int) -> Returns:
    """Describe one track; each bar is a beat of steps such as ``C`` (C starts), ``c`` (it goes on) and ``-``."""
    steps = [step for bar in bars for step in bar]
    shape = RollShape(
        track_set=BARS.track_set, resolution=len(bars[0]), bars=len(bars), steps=len(bars[0]), encoding="onset"
    )
    cells = torch.tensor([[[[step.upper() == name for name in "CDE"]] for step in steps]])
    onsets = torch.tensor([[[[step == name for name in "CDE"]] for step in steps]])
    return describe_returns(cells, describe_steps(cells, onsets).started, ago, shape)


def test_the_first_bar_before_that_is_equal_counts() -> None:
    returns = found([["C", "c"], ["C", "c"], ["D", "E"], ["C", "c"], ["C", "c"], ["C", "C"]], 2)
    assert returns.now[0, ::2, 0].tolist() == [0, 1, 0, 2, 1, 0]
    assert returns.now[0, 1::2, 0].tolist() == [0, 1, 0, 2, 1, 0]
    assert returns.before[0, :, 0].tolist() == [0, 0, 0, 1, 1, 0, 0, 2, 2, 1, 1, 0]
    # An equal bar further back is no choice, nor is anything but the first step of a beat.
    assert returns.possible[0, ::2, 0, :2].tolist() == [
        [False, False], [True, False], [True, False], [True, True], [True, True], [True, False],
    ]  # fmt: skip
    assert not returns.possible[0, 1::2].any()


def test_a_rhythm_returns_with_other_notes() -> None:
    returns = found([["C", "-"], ["D", "d"], ["E", "-"], ["C", "D"], ["-", "-"], ["-", "D"], ["E", "C"]], 2)
    assert returns.now[0, ::2, 0].tolist() == [0, 3, 3, 0, 0, 0, 0]
    assert returns.possible[0, ::2, 0, 2:].tolist() == [
        [False, False], [True, False], [True, False], [True, False], [True, True], [False, True], [True, False],
    ]  # fmt: skip
    assert [part[0].tolist() for part in returns.of_track(0)] == [[False] * 14, [False] * 2 + [True] * 4 + [False] * 8]


def test_silence_and_notes_that_cannot_be_held_do_not_return() -> None:
    assert not found([["-", "-"], ["-", "-"]], 1).possible.any()
    held = found([["C", "C"], ["c", "D"], ["c", "D"]], 1)  # D sounds when the third begins: it starts C
    assert held.now[0, ::2, 0].tolist() == [0, 0, 0]
    assert held.possible[0, ::2, 0, 0].tolist() == [False, True, False]


@pytest.mark.parametrize(("shape", "given"), [(BARS, False), (BARS, True), (PULSE, False)])
def test_phrases_are_as_frequent_as_their_likelihood_says(
    shape: RollShape, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, tracks = causal(shape, returns=1), len(shape.track_set)
    with torch.no_grad():
        network.trunk.returned.weight.normal_(generator=torch.Generator().manual_seed(0))
        for decoder in network.decoders:  # an untrained network hardly plays
            decoder.change.bias.fill_(1.0)
            decoder.rows.bias.copy_(torch.tensor([0.0, 1.0, 0.0, -3.0] + [0.0] * (len(decoder.rows.bias) - 4)))
            decoder.rows.weight.mul_(0.3)
            decoder.returning.bias.copy_(torch.tensor([-1.0, 1.0]))
    network.keys.fill_(0)
    network.keys[0] = 1
    number = 6000 if shape.steps == 1 else 60_000
    noise = torch.randn(number, network.latent, generator=torch.Generator().manual_seed(1))
    known = torch.zeros(number, shape.channels, 2, shape.steps, 3)
    free = torch.ones(number, tracks, 2, dtype=torch.bool)
    if given:  # the second track: twice D
        free[:, 1] = False
        known[:, 1::2, :, 0, 2] = 1
    made = network.accompany(known, free, noise)
    different, counts = made.flatten(1).unique(dim=0, return_counts=True)
    draft, units = to_draft(different.view(-1, *made.shape[1:]), shape), free[: len(different)]
    frames = None if given else torch.zeros(len(different), dtype=torch.int64)
    likely = torch.zeros(len(different))
    # A beat that is equal to that before may have returned, or its rhythm, or all was decided: all ways are added up.
    for skipped in itertools.product(range(3), repeat=1 if given else tracks):
        seen: list[Tensor] = []

        def some(*inputs: object, skipped: tuple[int, ...] = skipped, seen: list[Tensor] = seen) -> Returns:
            returns, absent = describe_returns(*inputs), []  # type: ignore[arg-type]
            now = returns.now.clone()
            for track, number in enumerate(skipped):
                label = now[:, shape.unit, track]
                true = (label > 0).long() + ((label == 1) & returns.possible[:, shape.unit, track, 1]).long()
                absent.append(true < number)
                chosen = torch.where(true == number, 0, torch.where(true > number, label + number, label))
                now[:, shape.unit :, track] = chosen[:, None]
            seen.append(torch.stack(absent).any(0))
            before = torch.nn.functional.pad(now, (0, 0, 1, 0))[:, :-1]
            return replace(returns, now=now, before=before)

        monkeypatch.setattr("bgmusic.music.networks.causal.network.describe_returns", some)
        with torch.no_grad():
            losses = network.nats(draft, units, None, frames)
        likely += torch.where(
            seen[0], 0.0, (-(losses * units.transpose(1, 2).repeat_interleave(shape.unit, 1)).sum((1, 2))).exp()
        )
    expected = number * likely
    spread = (expected * (1 - likely)).sqrt().clamp(min=1)
    assert float(((counts - expected).abs() / spread).max()) < 5
    assert float(likely.sum()) > 0.9


def test_imitation_reaches_every_weight() -> None:
    shape = SATB.model_copy(update={"bars": 4})
    network = causal(shape, returns=2).train()
    looped = random_phrases(shape)
    looped[:, :, 1::2] = looped[:, :, ::2]
    network.imitation(looped, torch.Generator().manual_seed(0)).backward()
    assert not [name for name, weight in network.named_parameters() if weight.grad is None]


def test_what_can_return_does_where_the_neurons_say_so() -> None:
    network = causal(LOOPS, returns=1)
    with torch.no_grad():
        for decoder in network.decoders:
            decoder.returning.weight.zero_()
            decoder.returning.bias.fill_(20.0)
    made = network(torch.randn(3, network.latent, generator=torch.Generator().manual_seed(0)))
    cells, onsets = (plane.flatten(2, 3).transpose(1, 2) > 0.5 for plane in made.chunk(2, 1))
    returns = describe_returns(cells, describe_steps(cells, onsets).started, 1, LOOPS)
    assert returns.possible.any()
    assert (returns.now[returns.possible[..., 0]] == 1).all()


@pytest.mark.parametrize("strategy", ["end-to-end", "two-stage"])
def test_given_units_stay(strategy: str) -> None:
    network, real = causal(LOOPS, strategy, returns=2, drafts=3), random_phrases(LOOPS)
    free = torch.rand(3, len(LOOPS.track_set), LOOPS.bars * LOOPS.beats, generator=torch.Generator().manual_seed(1))
    made = network.accompany(real, free < 0.5, torch.randn(3, network.latent))
    cells = len(LOOPS.track_set)
    given = ~cells_of(free < 0.5, LOOPS)[:, :cells].expand_as(made[:, :cells])
    assert torch.equal(made[:, :cells][given], real[:, :cells][given])


@pytest.mark.parametrize("strategy", ["end-to-end", "two-stage"])
def test_a_phrase_does_not_depend_on_its_batch(strategy: str) -> None:
    network = causal(LOOPS, strategy, returns=2, drafts=3, width=32, hidden=48)
    together = phrases(network, LOOPS, 5, 0)
    alone = [phrases(network, LOOPS, 1, 0, first=number) for number in range(5)]
    assert (together == np.concatenate(alone)).all()
