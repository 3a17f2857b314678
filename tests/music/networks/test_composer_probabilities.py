"""Test a composer's decisions: its loss equals loops, held notes, rests, and preactivated outputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from composers import BAND, DECISIONS, SATB, composer, noise_for, random_phrases
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.composer.decisions.base import logit_of
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.composer.features import Logits
from bgmusic.music.networks.composer.masks import draw_open
from bgmusic.music.rolls.shape import RollShape


def surprise(logit: Tensor, bit: float) -> float:
    """Return the cross-entropy of one bit in nats."""
    probability = float(torch.sigmoid(logit.detach().double()))
    return -math.log(probability if bit else 1 - probability)


def surprise_of_number(logits: Logits, place: tuple[int, int, int], notes: int) -> float:
    """Return the cross-entropy of the number of notes: of "more than one", then of "more than two"."""
    more = logits["count"][place]
    return sum(surprise(more[number - 1], notes > number) for number in (1, 2) if notes >= number)


@DECISIONS
@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "lpd-5"])
def test_the_imitation_loss_equals_loops(shape: RollShape, decisions: dict[str, Any]) -> None:
    generator, phrases = composer(shape, **decisions), random_phrases(shape, density=0.01)
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


@pytest.mark.parametrize("decisions", [{}, {"rests": True}, {"rests": True, "chords": 3}], ids=["", "r", "rc"])
def test_notes_are_held_until_the_track_moves(decisions: dict[str, Any]) -> None:
    generator = composer(stages=1, **decisions)
    noise = noise_for(generator)
    chances = next(generator.noise.stage_noise(noise))
    opened = torch.ones(3, 4, 8, dtype=torch.bool)
    logits = generator.logits(to_draft(random_phrases(SATB), SATB), opened)  # open units do not depend on the phrases
    decided = to_draft(generator(noise), SATB)
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
        assert (cells.sum(3)[moves & ~at_rest] > 0).float().mean() > 0.98  # probabilities are at most 0.999


def test_a_track_with_rests_plays_whole_chords_or_nothing() -> None:
    """Silence or a chord of three are possible; their expectation, two notes, must not occur."""
    generator = composer(BAND, rests=True, stages=1)
    generator.most.fill_(3)
    with torch.no_grad():
        for weight in (generator.steps.weight, generator.notes.weight):
            weight.zero_()
        count, moves, rests = generator.steps.bias.view(3, -1)
        count.fill_(30.0)  # the largest chord
        moves.fill_(-3.0)  # it moves only after silence
        rests.fill_(math.log(0.7 / 0.3))
        sounding = generator(noise_for(generator, 200)).sum(4)
    assert set(sounding.unique().tolist()) <= {0.0, 2.0, 3.0}
    assert (sounding == 3).float().mean() == pytest.approx(0.3, abs=0.05)
    assert (sounding == 0).float().mean() == pytest.approx(0.7, abs=0.05)
    throughout = sounding.flatten(2).amax(2)
    assert (throughout == 0).float().mean() == pytest.approx(0.7, abs=0.05)


@pytest.mark.slow
@DECISIONS
@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "band"])
def test_preactivated_outputs_are_probabilities(shape: RollShape, decisions: dict[str, Any]) -> None:
    """In many phrases of one stage, cells and onsets are as frequent as their probabilities."""
    generator = composer(shape, stages=1, **decisions)
    count = 2000
    with torch.no_grad():
        noise = noise_for(generator, count)
        probabilities, phrases = generator.preactivated(noise), generator(noise)
    assert probabilities.shape == phrases.shape
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    tracks = len(shape.track_set)
    sounding, likely = phrases[:, :tracks].mean(0), probabilities[:, :tracks].mean(0)
    assert sounding.sum() == pytest.approx(likely.sum().item(), rel=0.02)
    error = (likely * (1 - likely) / count).sqrt() + 1e-6
    assert ((sounding - likely).abs() < 5.5 * error + 2 / count).all()
    if shape.encoding == "onset" and not decisions:  # a count of notes makes a step depend on the one before
        # An onset that follows silence is not drawn; all others are.
        held = torch.cat([torch.zeros(count, tracks, 1, 48), phrases[:, :tracks].flatten(2, 3)[:, :, :-1]], 2)
        behind = held.unflatten(2, (shape.bars, shape.steps)) > 0
        drawn = (phrases[:, tracks:] * behind).sum()
        assert drawn.item() == pytest.approx((probabilities[:, tracks:] * behind).sum().item(), rel=0.03)


@DECISIONS
@pytest.mark.parametrize("shape", [SATB, BAND], ids=["satb", "band"])
def test_preactivated_outputs_are_high_where_the_phrase_of_the_same_noise_sounds(
    shape: RollShape, decisions: dict[str, Any]
) -> None:
    generator = composer(shape, **decisions)
    noise = noise_for(generator, 20)
    with torch.no_grad():
        probabilities, phrases = generator.preactivated(noise), generator(noise)
    assert probabilities.shape == phrases.shape
    tracks = len(shape.track_set)
    assert (probabilities[:, :tracks][phrases[:, :tracks] > 0] > 0).all()
    assert probabilities[:, :tracks][phrases[:, :tracks] > 0].mean() > 2 * probabilities[:, :tracks].mean()


def test_drums_always_move() -> None:
    generator = composer(BAND)
    logits = generator.logits(to_draft(random_phrases(BAND), BAND), torch.ones(3, 5, 4, dtype=torch.bool))
    drums = torch.tensor([track.is_drum for track in BAND.track_set.tracks])
    assert logits["move"][:, drums].isposinf().all()
    assert logits["move"][:, ~drums].isfinite().all()
