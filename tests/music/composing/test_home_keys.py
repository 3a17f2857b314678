"""Test that long pieces keep the key of what was composed, unless something given or planned decides on another."""

from __future__ import annotations

import pytest
import torch
from composers import SATB
from torch import Tensor

from bgmusic.music.composing.windows import home_keys
from bgmusic.music.plans.plan import Plans
from bgmusic.music.plans.shape import PlanShape

BARS = 3 * SATB.bars
LAST = 2 * SATB.bars * SATB.beats - 1  # beat of the second window
D_MAJOR = (2, 6, 9, 1)
WHOLE_SCALE = (D_MAJOR, (4, 7, 11, 2), (2, 6, 9, 4))
E_FLAT = (5, 10, 3, 5)


def roll_in(*bars: tuple[int, ...]) -> Tensor:
    """Make a piece in which each bar has notes of these pitch classes, one of each beat."""
    roll = torch.zeros(1, SATB.channels, BARS, SATB.steps, SATB.pitches, dtype=torch.bool)
    for bar, classes in enumerate(bars):
        for beat, pitch_class in enumerate(classes):
            row = (pitch_class - SATB.track_set.low) % 12 + 12
            roll[0, 0, bar, beat * SATB.unit : (beat + 1) * SATB.unit, row] = True
    return roll


def free_from(bar: int) -> Tensor:
    free = torch.zeros(1, len(SATB.track_set), BARS * SATB.beats, dtype=torch.bool)
    free[:, :, bar * SATB.beats :] = True
    return free


def test_a_window_takes_the_key_of_all_that_was_composed_before() -> None:
    # The bar that the window sees is in E flat, the others are in D.
    roll, free = roll_in(*WHOLE_SCALE, E_FLAT), free_from(4)
    assert home_keys(roll, free, None, 3, SATB).tolist() == [2]
    assert home_keys(roll, free_from(0), None, 0, SATB).tolist() == [-1]
    assert home_keys(torch.zeros_like(roll), free, None, 3, SATB).tolist() == [-1]


@pytest.mark.parametrize("track", range(4))
def test_notes_given_in_a_window_decide_on_its_key(track: int) -> None:
    roll, free = roll_in(*[D_MAJOR] * SATB.bars), free_from(SATB.bars)
    free[:, track, LAST] = False
    assert home_keys(roll, free, None, SATB.bars, SATB).tolist() == [-1]


def test_chords_planned_in_a_window_decide_on_its_key() -> None:
    roll, free = roll_in(*[D_MAJOR] * SATB.bars), free_from(SATB.bars)
    unknown = Plans.unknown(PlanShape.of(SATB).with_bars(BARS), 1)
    assert home_keys(roll, free, unknown, SATB.bars, SATB).tolist() == [2]
    arrays = {name: values.copy() for name, values in unknown.arrays().items()}
    arrays["harmony_known"][0, LAST] = True
    arrays["harmony"][0, LAST, [0, 12]] = True
    assert home_keys(roll, free, Plans(unknown.shape, **arrays), SATB.bars, SATB).tolist() == [-1]
