"""Filling in parts of a piece: given units stay, decisions are obeyed, and composing is the same as elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_runs import MUSEGAN, SATB, network_of

from bgmusic.errors import UserError
from bgmusic.music.composing import planned
from bgmusic.music.composing.filling import Wanted, fill
from bgmusic.music.composing.load import load_generator
from bgmusic.music.composing.pieces import pieces
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.plan import Plan
from bgmusic.music.plans.settle import settle
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.plans.typed import typed_plan
from bgmusic.training.lookup import find_run

NETWORK = network_of(SATB)
CAUSAL = network_of(SATB, {"kind": "causal", "width": 16, "layers": 1, "encoder_layers": 1, "heads": 2, "hidden": 16})


def wanted(bars=4, free=None, seed=0, channels=None, **typed):
    shape = PlanShape.of(SATB, bars)
    plan = typed_plan(shape, **typed) if typed else Plan.unknown(shape)
    free = np.ones((4, bars * 4), bool) if free is None else free
    channels = np.zeros((8, bars, 16, 48), bool) if channels is None else channels
    return Wanted(channels, free, plan, seed)


@pytest.mark.parametrize("bars", [1, 4, 7])
@pytest.mark.parametrize("network", [NETWORK, CAUSAL], ids=["revising", "causal"])
def test_a_whole_piece_is_the_generators(network, bars):
    made = fill(network, SATB, wanted(bars, seed=5))
    assert np.array_equal(made, pieces(network, SATB, bars, 1, 5)[0])


def test_a_whole_piece_under_a_plan_is_that_of_planned_compose():
    for bars, typed in (
        (4, {"chords": "C|F|?|Am/E"}),
        (9, {"form": "ABAABCABA", "instruments": "Alto:x-xxx-xxx", "activity": "Bass:low"}),
        (2, {"chords": "C F|Dm7"}),
    ):
        one = wanted(bars, seed=3, **typed)
        one = replace(one, plan=settle(one.plan), number=2)
        plans = one.plan.repeated(1)
        assert np.array_equal(fill(CAUSAL, SATB, one), planned.compose(CAUSAL, SATB, plans, 3, first=2)[0])


def test_given_units_stay():
    rng = np.random.default_rng(0)
    for bars in (3, 4, 9):
        piece = fill(NETWORK, SATB, wanted(bars, seed=1))
        free = rng.random((4, bars * 4)) < 0.5
        again = fill(NETWORK, SATB, wanted(bars, free, 2, piece))
        cells = np.repeat(free, 4, axis=1).reshape(4, bars, 16)
        for plane in (again[:4] != piece[:4], again[4:] != piece[4:]):
            assert not plane[~cells].any()
        assert (again != piece).any()
        nothing = fill(NETWORK, SATB, wanted(bars, np.zeros_like(free), 2, piece))
        assert np.array_equal(nothing, piece)


def test_chords_are_obeyed():
    made = fill(NETWORK, SATB, wanted(chords="C | F | ? | Am/E"))
    classes = [{int(pitch) % 12 for pitch in np.nonzero(made[:4, bar].any((0, 1)))[0]} for bar in range(4)]
    assert classes[0] <= {0, 4, 7}
    assert classes[1] <= {5, 9, 0}
    assert classes[3] <= {9, 0, 4}
    assert len(classes[2]) > 3
    basses = [{int(pitch) % 12 for pitch in np.nonzero(made[3, bar, 0])[0]} for bar in (0, 1, 3)]
    assert [low <= {bass} for low, bass in zip(basses, (0, 5, 4), strict=True)] == [True] * 3
    assert not fill(NETWORK, SATB, wanted(chords="C | N.C. | C | C"))[:4, 1].any()


def test_silence_and_form_are_obeyed():
    made = fill(NETWORK, SATB, wanted(form="ABAB", instruments="Alto:x-x-"))
    plan = extract_channels(made[None], SATB).plan(0)
    assert plan.instruments[1].tolist() == [True, False, True, False]
    assert np.array_equal(made[:, 0], made[:, 2])
    assert np.array_equal(made[:, 1], made[:, 3])


@pytest.mark.slow
def test_the_shipped_composer_plays_where_it_must():
    _, shape, network = load_generator(find_run("generator:freedoom"))
    bars = PlanShape.of(shape)
    for seed in range(4):
        plan = typed_plan(bars, instruments=("Guitar:xxxx,Strings:----", "Piano:?x??,Bass:-xxx")[seed % 2])
        free = np.ones((5, 16), bool)
        made = fill(network, shape, Wanted(np.zeros((shape.channels, 4, shape.steps, 84), bool), free, plan, seed))
        found = extract_channels(made[None], shape).plan(0)
        assert (found.instruments[plan.instruments_known] == plan.instruments[plan.instruments_known]).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_composer_under_plans_plays_where_it_must(seed):
    plan = wanted(6, seed=seed, instruments="Soprano:xxxxxx, Alto:x-xx-x, Tenor:------")
    made = fill(CAUSAL, SATB, plan)
    found = extract_channels(made[None], SATB.model_copy(update={"bars": 6})).plan(0)
    known = plan.plan.instruments_known
    assert np.array_equal(found.instruments[known], plan.plan.instruments[known])


def test_composing_can_be_watched_and_cancelled():
    seen = []

    def watch(channels, share):
        seen.append((channels, share))
        return len(seen) < 4

    assert fill(NETWORK, SATB, wanted(9), watch) is None
    assert len(seen) == 4
    assert [share for _, share in seen] == sorted(share for _, share in seen)
    seen.clear()
    made = fill(NETWORK, SATB, wanted(9), lambda channels, share: seen.append((channels, share)) or True)
    assert seen[-1][1] == 1
    assert np.array_equal(seen[-1][0], made)


def test_a_composer_under_plans_fills_in_parts():
    piece = fill(CAUSAL, SATB, wanted(6, seed=1))
    free = np.zeros((4, 24), bool)
    free[1:, 4:12] = True
    again = fill(
        CAUSAL, SATB, wanted(6, free, 2, piece, chords="C|C|F|C|C|C", instruments="Alto:xx-xxx", form="ABCDBA")
    )
    cells = np.repeat(free, 4, axis=1).reshape(4, 6, 16)
    assert not (again[:4] != piece[:4])[~cells].any()
    assert not again[1, 2].any()
    assert fill(CAUSAL, SATB, wanted(6), lambda channels, share: False) is None


def test_what_does_not_fit_is_refused():
    for wrong in (
        wanted(4, np.ones((4, 15), bool)),
        wanted(4, channels=np.zeros((8, 4, 16, 47), bool)),
        Wanted(np.zeros((8, 4, 16, 48), bool), np.ones((4, 16), bool), Plan.unknown(PlanShape.of(SATB, 5)), 0),
    ):
        with pytest.raises(UserError):
            fill(NETWORK, SATB, wrong)
    with pytest.raises(TypeError):
        fill(NETWORK, SATB, wanted(channels=np.zeros((8, 4, 16, 48))))
    with pytest.raises(UserError, match="only a composer"):
        fill(network_of(SATB, MUSEGAN), SATB, wanted())
