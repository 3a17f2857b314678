"""Test beats that return: how they are found, that sampling and likelihood agree, and that batches don't matter."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from composers import BAND, SATB, causal, random_phrases
from torch import Tensor

from bgmusic.music.composing.generate import phrases
from bgmusic.music.networks.causal.doubles import describe_doubles, sources
from bgmusic.music.networks.causal.returns import Returns, describe_returns
from bgmusic.music.networks.causal.steps import describe_steps
from bgmusic.music.networks.causal_config import CausalConfig
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
    return described(cells, onsets, shape, returns=ago)


def described(cells: Tensor, onsets: Tensor, shape: RollShape, **settings: Any) -> Returns:
    known = torch.zeros(cells.shape[:3], dtype=torch.bool)
    playable = torch.ones(len(cells), *cells.shape[2:], dtype=torch.bool)
    return describe_returns(
        cells, describe_steps(cells, onsets).started, known, playable, CausalConfig(**settings), shape
    )


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


@pytest.mark.parametrize(
    ("shape", "given", "doubles"),
    [(BARS, False, False), (BARS, True, False), (PULSE, False, False), (BARS, False, True)],
)
def test_phrases_are_as_frequent_as_their_likelihood_says(
    shape: RollShape, given: bool, doubles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, tracks = causal(shape, returns=1, doubles=doubles), len(shape.track_set)
    with torch.no_grad():
        network.trunk.returned.weight.normal_(generator=torch.Generator().manual_seed(0))
        for decoder in network.decoders:  # an untrained network hardly plays
            decoder.change.bias.fill_(1.0)
            decoder.rows.bias.copy_(torch.tensor([0.0, 1.0, 0.0, -3.0] + [0.0] * (len(decoder.rows.bias) - 4)))
            decoder.rows.weight.mul_(0.3)
            decoder.returning.bias.copy_(torch.tensor([-1.0, *[-0.5] * (3 * doubles), 1.0]))
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
    # The same notes may follow from several decisions, or be decided note by note: all ways are added up.
    decided = [(beat, track) for beat in (0, 1) for track in range(tracks) if free[0, track, beat]]
    ways = [
        range((4 if doubles and track else 3) if beat else 2 if doubles and track else 1) for beat, track in decided
    ]
    for chosen in itertools.product(*ways):
        seen: list[Tensor] = []

        def some(*inputs: Any, chosen: tuple[int, ...] = chosen, seen: list[Tensor] = seen) -> Returns:
            returns, true = describe_returns(*inputs), every_decision(*inputs)
            now, exists = returns.now.clone(), []
            for (beat, track), number in zip(decided, chosen, strict=True):
                ranks = (true[:, beat, track] * true[:, beat, track].cumsum(-1)) == number + 1
                exists.append(ranks.any(-1))
                here = slice(beat * shape.unit, (beat + 1) * shape.unit)
                now[:, here, track] = ((ranks.long().argmax(-1) + 1) % true.shape[-1])[:, None]
            seen.append(torch.stack(exists).all(0))
            before = torch.nn.functional.pad(now, (0, 0, 1, 0))[:, :-1]
            return replace(returns, now=now, before=before)

        monkeypatch.setattr("bgmusic.music.networks.causal.body.describe_returns", some)
        with torch.no_grad():
            losses = network.nats(draft, units, None, frames)
        losses = (losses * units.transpose(1, 2).repeat_interleave(shape.unit, 1)).sum((1, 2))
        likely += torch.where(seen[0], (-losses).exp(), 0.0)
    expected = number * likely
    spread = (expected * (1 - likely)).sqrt().clamp(min=1)
    assert float(((counts - expected).abs() / spread).max()) < 5
    assert float(likely.sum()) > 0.9


def every_decision(
    cells: Tensor, started: Tensor, known: Tensor, playable: Tensor, settings: CausalConfig, shape: RollShape
) -> Tensor:
    """Return which decisions would be true of each beat, were they asked, and last whether none need be: true."""
    plain = describe_returns(cells, started, known, playable, CausalConfig(returns=1), shape)
    label, possible = plain.now[:, :: shape.unit], plain.possible[:, :: shape.unit]
    found = [label == 1, (label == 2) | ((label == 1) & possible[..., 1])]
    if settings.doubles:
        can, does = describe_doubles(cells, started, playable, shape)
        found[1:1] = (can & does & ~known[:, :: shape.unit, :, None]).unbind(-1)
    return torch.stack([*found, torch.ones_like(found[0])], -1)


def test_imitation_reaches_every_weight() -> None:
    shape = SATB.model_copy(update={"bars": 4})
    network = causal(shape, returns=2, doubles=True, registers=True).train()
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
    returns = described(cells, onsets, LOOPS, returns=1)
    assert returns.possible.any()
    assert (returns.now[returns.possible[..., 0]] == 1).all()


@pytest.mark.parametrize("strategy", ["end-to-end", "two-stage"])
def test_given_units_stay(strategy: str) -> None:
    network, real = causal(LOOPS, strategy, returns=2, doubles=True, drafts=3), random_phrases(LOOPS)
    free = torch.rand(3, len(LOOPS.track_set), LOOPS.bars * LOOPS.beats, generator=torch.Generator().manual_seed(1))
    made = network.accompany(real, free < 0.5, torch.randn(3, network.latent))
    cells = len(LOOPS.track_set)
    given = ~cells_of(free < 0.5, LOOPS)[:, :cells].expand_as(made[:, :cells])
    assert torch.equal(made[:, :cells][given], real[:, :cells][given])


@pytest.mark.parametrize("strategy", ["end-to-end", "two-stage"])
def test_a_phrase_does_not_depend_on_its_batch(strategy: str) -> None:
    network = causal(LOOPS, strategy, returns=2, doubles=True, drafts=3, width=32, hidden=48)
    together = phrases(network, LOOPS, 5, 0)
    alone = [phrases(network, LOOPS, 1, 0, first=number) for number in range(5)]
    assert (together == np.concatenate(alone)).all()


def test_many_tracks_can_double() -> None:
    shape = BAND.model_copy(update={"track_set": TrackSet.load("lpd-8"), "bars": 2, "encoding": "onset"})
    network = causal(shape, returns=2, doubles=True)
    made = network(torch.randn(2, network.latent, generator=torch.Generator().manual_seed(0)))
    assert made.shape == (2, shape.channels, 2, shape.steps, shape.pitches)


def test_doubles_are_those_of_a_loop() -> None:
    shape = LOOPS.model_copy(update={"bars": 1})
    rng = torch.Generator().manual_seed(0)
    rows, length = shape.pitches + 12, shape.steps
    cells = torch.rand(6, length, len(shape.track_set), rows, generator=rng) < 0.06
    started = cells & (torch.rand(cells.shape, generator=rng) < 0.8)
    playable = torch.rand(6, len(shape.track_set), rows, generator=rng) < 0.9
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    last = pitched[-1]
    source, up = sources(shape.drums)[2]
    for step in range(length):  # the last track doubles the first pitched one
        for phrase in range(6):
            lowest = cells[phrase, step, source].nonzero()
            cells[phrase, step, last] = False
            if len(lowest) and 0 <= int(lowest[0]) + up < rows and playable[phrase, last, int(lowest[0]) + up]:
                cells[phrase, step, last, int(lowest[0]) + up] = True
            held = cells[phrase, step - 1, last] if step else torch.zeros(rows, dtype=torch.bool)
            struck = started[phrase, step, source].any()
            started[phrase, step, last] = cells[phrase, step, last] & (struck | ~held)
    can, does = describe_doubles(cells, started, playable, shape)
    assert does[:, :, last, 2].all()
    assert can[:, :, last, 2].any()
    assert (can[:, :, last, 2] == cells[:, :: shape.unit, last].any(-1)).all()
    started[0, 1, last] ^= cells[0, 1, last]  # one note starts, or does not
    changed = cells[0, 1, last].any()
    assert describe_doubles(cells, started, playable, shape)[1][0, 0, last, 2] == (not changed)
    assert not can[:, :, [track for track, drums in enumerate(shape.drums) if drums]].any()
