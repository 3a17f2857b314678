"""Test what critics see of rare events, against plain loops."""

from __future__ import annotations

import pytest
import torch
from composers import BAND, SATB, random_phrases

from bgmusic.music.networks.causal.critic import Critic
from bgmusic.music.networks.causal.critic_ahead import Known
from bgmusic.music.networks.causal.critic_returns import number_notes, returning, returning_rhythms
from bgmusic.music.networks.causal.critic_stream import CriticStream
from bgmusic.music.networks.causal.steps import describe_steps
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.keys import to_common
from bgmusic.music.rolls.shape import RollShape


@pytest.mark.parametrize("number", [1, 3, 4, 13, 64])
@pytest.mark.parametrize("resolution", [4, 3])
def test_returning_rhythms_are_those_of_a_loop(number: int, resolution: int) -> None:
    shape = SATB.model_copy(update={"resolution": resolution, "steps": 4 * resolution})
    length = 64 if number == 64 else 16 * resolution - 5
    rng = torch.Generator().manual_seed(0)
    strikes = torch.rand(8, length, 3, generator=rng) < 0.2
    strikes[:4, shape.steps :] = strikes[:4, : length - shape.steps].clone()  # bars are alike
    strikes[2, -7] ^= True
    found = returning_rhythms(strikes, shape, number)
    assert found.shape == (8, number, 3, 2)
    for place in range(length - number, length):
        begin, expected = place // shape.steps * shape.steps, torch.zeros(8, 3, 2, dtype=torch.bool)
        for column, ago in enumerate((shape.steps, 2 * shape.steps)):
            if begin >= ago and place % resolution == resolution - 1:
                now, before = strikes[:, begin : place + 1], strikes[:, begin - ago : place + 1 - ago]
                expected[:, :, column] = (now == before).all(1) & (now | before).any(1)
        assert torch.equal(found[:, place - length + number], expected)
    assert found.any() or number < 4


@pytest.mark.parametrize("number", [1, 4, 13, 64])
def test_returning_notes_are_those_of_a_loop(number: int) -> None:
    rng = torch.Generator().manual_seed(0)
    cells = torch.rand(16, 64, 3, 5, generator=rng) < 0.1
    started = cells & (torch.rand(cells.shape, generator=rng) < 0.9)
    for plane in (cells, started):  # bars return, and in half of the phrases one step differs
        plane[:8, 16:48] = plane[:8, :16].repeat(1, 2, 1, 1)
        plane[8:, 32:] = plane[8:, :32].clone()
    started[::2, 37] = False
    found = returning(number_notes(cells, started), SATB, number)
    assert found.shape == (16, number, 3, 2, 2)
    notes = torch.cat([cells, started], -1)
    for place in range(64 - number, 64):
        expected = torch.zeros(16, 3, 2, 2, dtype=torch.bool)
        for column, ago in enumerate((16, 32)):
            for kind, size in enumerate((4, 16)):
                begin = place + 1 - size
                if begin >= ago and (place + 1) % size == 0:
                    now, before = notes[:, begin : place + 1], notes[:, begin - ago : place + 1 - ago]
                    expected[:, :, column, kind] = (now == before).all(3).all(1) & now.any(3).any(1)
        assert torch.equal(found[:, place - 64 + number], expected)
    assert found[..., 0].any()
    assert number < 64 or found[..., 1].any()


def _nothing(cells: torch.Tensor) -> Known:
    """Return what is known of phrases of which nothing is."""
    batch, steps, tracks, rows = cells.shape
    return Known(
        torch.zeros(batch, steps, 2, rows, dtype=torch.bool),
        torch.full((batch, steps, tracks), -1),
        torch.zeros(batch, dtype=torch.int64),
    )


def _cells_of(shape: RollShape, lines: list[list[int]]) -> torch.Tensor:
    """Return lines in MIDI pitches, a step each, as notes of a phrase."""
    lines = [line + line[-1:] * (8 - len(line)) for line in lines]
    cells = torch.zeros(1, 8, len(shape.track_set), shape.pitches + 12, dtype=torch.bool)
    for track, line in enumerate(lines):
        for step, pitch in enumerate(line):
            cells[0, step, track, pitch - shape.track_set.low + 6] = True
    return cells


def _evidence(shape: RollShape, lines: list[list[int]], parallels: list[float]) -> float:
    """Return how much the weights of parallels add to the logit of two lines."""
    cells = _cells_of(shape, lines)
    known = _nothing(cells)
    torch.manual_seed(0)
    critic = Critic(shape, 8, 0.0).eval()
    with torch.no_grad():
        before = critic(describe_steps(cells, cells), cells, known)[0, -1]
        critic.parallels.copy_(torch.tensor(parallels))
        return float(critic(describe_steps(cells, cells), cells, known)[0, -1] - before)


@pytest.mark.parametrize(
    ("upper", "lower", "octaves", "fifths"),
    [
        ([72, 74, 76, 77], [60, 62, 64, 65], 3, 0),  # octaves
        ([67, 69, 69, 67], [60, 62, 62, 60], 0, 2),  # fifths; a repetition is none
        ([72, 74, 72, 79], [60, 67, 65, 72], 0, 2),  # a fifth after an octave is none
        ([72, 67, 67, 72], [60, 55, 67, 60], 1, 0),  # one voice alone, and contrary motion
        ([72, 79, 74], [60, 67, 67], 1, 0),  # a fifth by one voice
        ([64, 65, 67, 69], [60, 62, 64, 65], 0, 0),  # thirds
    ],
)
def test_parallel_octaves_and_fifths_are_counted(upper: list[int], lower: list[int], octaves: int, fifths: int) -> None:
    unit = _evidence(SATB, [[72, 74, 74], [60, 62, 62]], [1.0, 0.0])
    assert unit > 0
    assert _evidence(SATB, [upper, lower], [1.0, 0.0]) == pytest.approx(octaves * unit, abs=1e-2)
    assert _evidence(SATB, [upper, lower], [0.0, 1.0]) == pytest.approx(fifths * unit, abs=1e-2)
    critic, cells = Critic(SATB, 8, 0.0).eval(), _cells_of(SATB, [upper, lower])
    with torch.no_grad():
        free, ruled = (CriticStream(critic, _nothing(cells), cost)(cells, cells) for cost in (0.0, 3.0))
    assert float(free - ruled) == pytest.approx(3 * (octaves + fifths), abs=1e-3)


def test_returns_weigh_drums_and_others_apart() -> None:
    shape = BAND.model_copy(update={"bars": 3, "encoding": "onset"})
    draft = to_draft(random_phrases(shape), shape)
    draft = draft.map(lambda plane: to_common(plane, torch.zeros(len(plane), dtype=torch.int64), shape))
    cells = draft.cells.transpose(1, 2) > 0.5
    cells = cells[:, : shape.steps].repeat(1, shape.bars, 1, 1)  # all bars are alike
    steps = describe_steps(cells, cells)
    known = _nothing(cells)
    torch.manual_seed(0)
    critic = Critic(shape, 8, 0.0).eval()
    playing = steps.started.any(-1)[:, : shape.steps].any(1)  # (batch, tracks)
    is_drums = torch.tensor(shape.drums)
    gains = []
    with torch.no_grad():
        before = critic(steps, cells, known)[:, -1]
        for drums in (True, False):
            critic.returns.zero_()
            critic.returns[int(drums), 0, -1] = 1.0  # of one bar before, at the last beat
            gains.append(critic(steps, cells, known)[:, -1] - before)
    counts = [(shape.bars - 1) * playing[:, is_drums == drums].sum(1) for drums in (True, False)]
    assert all(count.any() for count in counts)
    unit = max(gains[1]) / max(counts[1])
    assert unit > 0
    assert torch.allclose(torch.stack(gains), unit * torch.stack(counts), atol=1e-2)
