"""Test settings that change what is composed, not what is learnt: parallels, wrong basses and activity."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from composers import BAND, SATB, causal, random_phrases
from pydantic import ValidationError
from torch import Tensor

from bgmusic.music.judging.statistics.counterpoint import FIFTH
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.causal.obedience import Activity, Basses
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.plan_bits import plan_bits
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.plan import Plans
from bgmusic.music.plans.shape import LEVELS
from bgmusic.music.rolls.shape import RollShape


def _parallels(phrases: Tensor, interval: int) -> int:
    """Count the moves of two voices by the same number of semitones, in octaves or fifths."""
    cells = phrases[:, : len(SATB.track_set)].flatten(2, 3).bool()
    lines = torch.where(cells.any(-1), cells.long().argmax(-1), -1)
    found = 0
    for one, other in combinations(lines.unbind(1), 2):
        for upper, lower in ((a, b) for a, b in zip(one.tolist(), other.tolist(), strict=True)):
            for step in range(1, len(upper)):
                before, now = (upper[step - 1], lower[step - 1]), (upper[step], lower[step])
                moved = now[0] - before[0]
                if min(*before, *now) >= 0 and moved and moved == now[1] - before[1]:
                    found += abs(now[0] - now[1]) % 12 == interval
    return found


def _moving(parallels: float) -> CausalComposer:
    """Make a network whose voices always move, and prefer the interval before."""
    network = causal(SATB, "two-stage", parallels=parallels, drafts=32, blank_drafts=32)
    with torch.no_grad():
        for decoder in network.decoders:
            decoder.change.bias += 10
            decoder.going_on.bias -= 10
            decoder.rows.weight.zero_()
            decoder.rows.bias.zero_()
            decoder.rows.bias[decoder.pitches] -= 10  # no note
            for before in range(12):
                decoder.progress[:, 1, before, before] = 3.0
        network.most.fill_(1)
    return network


@pytest.mark.parametrize("given", [0, 1], ids=["nothing given", "soprano given"])
def test_drafts_with_parallels_are_not_chosen(given: int) -> None:
    free_network, network = _moving(0.0), _moving(2.0)
    noise = torch.randn(2, 12, network.latent, generator=torch.Generator().manual_seed(0))
    free = torch.ones(12, 4, SATB.bars * SATB.beats, dtype=torch.bool)
    free[:, :given] = False
    phrases = free_network(noise[0])
    before, now = (one.accompany(phrases, free, noise[1]) for one in (free_network, network))
    found = [sum(_parallels(made, interval) for interval in (0, FIFTH)) for made in (before, now)]
    assert found[0] > 20
    assert found[1] < 0.5 * found[0]
    fourths = [_parallels(made, 12 - FIFTH) for made in (before, now)]
    assert fourths[1] > 0.7 * fourths[0] > 10, "fourths cost nothing"


def _two_chords(batch: int) -> Plans:
    """Plan C major over E and F major over F in turn, and nothing else."""
    plans = extract_channels(np.zeros((batch, 8, 2, 16, 48), bool), SATB)
    harmony = np.zeros_like(plans.harmony)
    harmony[:, ::2, [0, 4, 7, 16]] = True
    harmony[:, 1::2, [0, 5, 9, 17]] = True
    return Plans(plans.shape, **{**plans.only("harmony").arrays(), "harmony": harmony})


def _disobedience(wrong_bass: float) -> float:
    """Compose under a plan; return the share of wrong basses at changes of chord."""
    network = causal(SATB, "two-stage", wrong_bass=wrong_bass, drafts=32)
    plans = _two_chords(8)
    free = torch.ones(8, 4, SATB.bars * SATB.beats, dtype=torch.bool)
    noise = torch.randn(8, network.latent, generator=torch.Generator().manual_seed(0))
    made = network.accompany(torch.zeros_like(random_phrases(SATB, 8)), free, noise, plan_bits(plans, SATB))
    cells = made[:, :4].any(1).flatten(1, 2).unflatten(1, (-1, SATB.unit))  # batch, beats, steps, pitches
    first = cells[:, :, 0]
    lowest = (first.long().argmax(-1) + SATB.track_set.low) % 12
    wrong = (lowest != torch.tensor([4, 5]).repeat(SATB.bars * SATB.beats // 2))[first.any(-1)]
    return float(wrong.float().mean())


def test_drafts_with_wrong_basses_are_not_chosen() -> None:
    assert _disobedience(100) < 0.6 * _disobedience(0)


class _Constant:
    """A judge that thinks alike of all drafts, and notes which ones were replaced."""

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        return torch.full((len(cells),), 5.0)

    def replace(self, places: Tensor, rows: Tensor) -> None:
        self.replaced = places.tolist(), rows.tolist()


@pytest.mark.parametrize("shape", [SATB, BAND], ids=["voices", "band"])
def test_wrong_basses_cost_what_they_should(shape: RollShape) -> None:
    rng = np.random.default_rng(0)
    drafts, steps, tracks, rows = 6, shape.bars * shape.steps, len(shape.track_set), 30
    cells = rng.random((drafts, steps, tracks, rows)) < 0.05
    chords = np.repeat(rng.random((1, steps // shape.unit, 2, rows)) < 0.3, shape.unit, axis=1).repeat(drafts, 0)
    chords[:, : shape.unit] = False  # unknown
    chords[:, 2 * shape.unit : 3 * shape.unit] = chords[:, shape.unit : 2 * shape.unit]  # no change
    inner = _Constant()
    judge = Basses(inner, torch.from_numpy(chords), 3.0, shape)
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    lost = np.zeros(drafts)
    places, numbers = torch.tensor([0, 3]), torch.tensor([2, 2])
    for start in range(0, steps, shape.unit):
        part = torch.from_numpy(cells[:, start : start + shape.unit])
        found = judge(part, part)
        for draft in range(drafts):
            for step in range(start, start + shape.unit):
                bass = chords[draft, step, 1]
                notes = [row for row in range(rows) for track in pitched if cells[draft, step, track, row]]
                changed = step == 0 or (chords[draft, step] != chords[draft, step - 1]).any()
                if changed and bass.any() and notes and not bass[min(notes)]:
                    lost[draft] += 3.0
        np.testing.assert_allclose(found.numpy(), 5 - lost, rtol=1e-5)
        if start == 3 * shape.unit:
            judge.replace(places, numbers)
            lost[[0, 3]] = lost[2]
    assert inner.replaced == (places.tolist(), numbers.tolist())


@pytest.mark.parametrize("shape", [SATB, BAND], ids=["voices", "band"])
def test_wrong_activity_costs_what_it_should(shape: RollShape) -> None:
    rng = np.random.default_rng(0)
    drafts, tracks = 6, len(shape.track_set)
    starts = rng.random((drafts, shape.bars, shape.steps, tracks, 30)) < 0.02
    planned = np.repeat(rng.integers(-1, len(LEVELS) + 1, (1, tracks, shape.bars)), drafts, axis=0)
    inner = _Constant()
    judge = Activity(inner, torch.from_numpy(planned), 0.5, shape)
    places, numbers = torch.tensor([0, 3]), torch.tensor([2, 2])
    whole = np.zeros(drafts)
    for bar in range(shape.bars):
        for end in range(shape.unit, shape.steps + 1, shape.unit):
            part = torch.from_numpy(starts[:, bar, end - shape.unit : end])
            found = judge(part, part)
            begun = starts[:, bar, :end].any(3).sum(1)
            apart = np.array([[sum(n >= level for level in LEVELS) for n in row] for row in begun]) - planned[..., bar]
            apart = np.abs(apart) if end == shape.steps else np.maximum(apart, 0)
            wrong = (apart * (planned[..., bar] >= 0)).sum(1)
            np.testing.assert_allclose(found.numpy(), 5 - 0.5 * (whole + wrong), rtol=1e-5)
            if end == shape.unit:  # in the middle of a bar
                judge.replace(places, numbers)
                starts[[0, 3]], whole[[0, 3]] = starts[2], whole[2]
        whole += wrong


@pytest.mark.parametrize("track", [1, 2])
def test_drafts_of_wrong_activity_are_not_chosen(track: int) -> None:
    plans = extract_channels(random_phrases(BAND, 8).numpy() > 0.5, BAND).only("activity")
    activity, known = np.zeros_like(plans.activity), np.zeros_like(plans.activity_known)
    activity[:, track, :, :3], known[:, track] = True, True
    asked = Plans(plans.shape, **{**plans.arrays(), "activity": activity, "activity_known": known})
    apart = []
    for cost in (0.0, 5.0):
        network = causal(BAND, "two-stage", wrong_activity=cost, drafts=32)
        free = torch.ones(8, len(BAND.track_set), BAND.bars * BAND.beats, dtype=torch.bool)
        noise = torch.randn(8, network.latent, generator=torch.Generator().manual_seed(0))
        made = network.accompany(torch.zeros_like(random_phrases(BAND, 8)), free, noise, plan_bits(asked, BAND))
        levels = extract_channels(made.numpy() > 0.5, BAND).activity[:, track].sum(-1)
        apart.append(np.abs(levels - 3).mean())
    assert apart[1] < 0.5 * apart[0]


def test_critics_do_not_learn_with_the_costs_of_faults() -> None:
    phrases, losses = random_phrases(SATB, 6), []
    for cost in (0.0, 100.0):
        costs = {"wrong_bass": cost, "wrong_activity": cost, "parallels": cost}
        network = causal(SATB, "two-stage", **costs, contrast="composed", blank=0.3, unplanned=0.0)
        losses.append(float(network.imitation(phrases, torch.Generator().manual_seed(0)).detach()))
    assert losses[0] == losses[1]


def test_runs_with_the_former_setting_load() -> None:
    assert CausalConfig.model_validate({"kind": "causal", "bass_obedience": 1.6}).wrong_bass == 1.5
    with pytest.raises(ValidationError, match="bass_disobedience"):
        CausalConfig.model_validate({"kind": "causal", "bass_disobedience": 1.6})
