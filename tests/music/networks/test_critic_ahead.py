"""Test what critics see of the next beat, against plain loops."""

from __future__ import annotations

import pytest
import torch
from composers import BAND, SATB, random_phrases
from torch import Tensor

from bgmusic.music.networks.causal.critic_ahead import Ahead, ahead_sizes, describe_ahead, what_is_known
from bgmusic.music.networks.causal.critic_features import summarize
from bgmusic.music.networks.causal.steps import describe_steps
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.keys import to_common
from bgmusic.music.rolls.shape import RollShape


def music(shape: RollShape) -> tuple[Tensor, Tensor, Tensor]:
    """Return cells ``(batch, steps, tracks, rows)``, free units, and planned chords of every other beat."""
    draft = to_draft(random_phrases(shape, 6, density=0.01), shape)
    draft = draft.map(lambda plane: to_common(plane, torch.zeros(len(plane), dtype=torch.int64), shape))
    cells = draft.cells.transpose(1, 2) > 0.5
    rng = torch.Generator().manual_seed(0)
    free = torch.rand(len(cells), len(shape.track_set), shape.bars * shape.beats, generator=rng) < 0.5
    rows = torch.arange(cells.shape[-1])
    chords = torch.zeros(len(cells), shape.bars * shape.beats, 2, len(rows), dtype=torch.bool)
    for batch in range(len(cells)):
        for beat in range(0, shape.bars * shape.beats, 2):
            root = int(torch.randint(12, (), generator=rng))
            for interval in (0, 4, 7):
                chords[batch, beat, 0, (rows - root - interval) % 12 == 0] = True
            chords[batch, beat, 1, (rows - root) % 12 == 0] = True
    return cells, free, chords.repeat_interleave(shape.unit, 1)


@pytest.mark.parametrize("shape", [SATB, BAND.model_copy(update={"resolution": 12})], ids=["satb", "fine"])
def test_what_leads_to_the_next_beat_is_described(shape: RollShape) -> None:
    cells, free, chords = music(shape)
    known = what_is_known(cells, free, chords.float(), torch.zeros(len(cells), dtype=torch.int64), shape)
    steps = describe_steps(cells, None)
    found = describe_ahead(summarize(steps.line, steps.started, cells, shape), Ahead.of(known, shape), shape)
    sizes = ahead_sizes(shape)
    assert found.shape == (*cells.shape[:2], len(sizes))
    assert (found >= 0).all()
    assert (found < torch.tensor(sizes)).all()
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    pairs = [(one, other) for one in pitched for other in pitched if one != other][:12]
    unit, length = shape.unit, cells.shape[1]

    def line(batch: int, step: int, track: int) -> int:
        rows = cells[batch, step, track].nonzero()
        return int(rows.max()) if len(rows) else -1

    seen = set()
    for batch in range(len(cells)):
        for step in range(length):
            beat, quarter = step // unit + 1, step % unit * 4 // unit
            inside = beat * unit < length
            chord = {int(row) % 12 for row in chords[batch, beat * unit, 0].nonzero()} if inside else set()
            now = {int(row) % 12 for row in chords[batch, step, 0].nonzero()}
            bass = {int(row) % 12 for row in chords[batch, beat * unit, 1].nonzero()} if inside else set()
            lows = [
                int(cells[batch, step, track].nonzero().min()) for track in pitched if cells[batch, step, track].any()
            ]
            interval = (min(bass) - min(lows)) % 12 if bass and lows else 12
            expected = [interval * 4 + quarter]
            for track in pitched:
                row = line(batch, step, track)
                near = [min((row - note) % 12, (note - row) % 12) for note in chord]
                distance = 0 if not near else 1 + min(3, *near)
                expected.append(((distance * 2 + (now != chord)) if row >= 0 else 0) * 4 + quarter)
            for one, other in pairs:
                code = 12 * 4
                if inside and quarter == 3 and not free[batch, other, beat] and line(batch, step, one) >= 0:
                    there = line(batch, beat * unit, other)
                    here = -1 if free[batch, other, step // unit] else line(batch, step, other)
                    if there >= 0:
                        way = 0 if here < 0 else 1 if there > here else 2 if there < here else 3
                        code = (there - line(batch, step, one)) % 12 * 4 + way
                expected.append(code)
            assert found[batch, step].tolist() == expected
            seen |= set(expected)
    assert len(seen) > 15
