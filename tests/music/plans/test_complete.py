"""Complete plans by proposals: what is said stays, and the result is a plan whatever is proposed."""

import numpy as np
import pytest

from bgmusic.music.plans.complete import adopt
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.settle import settle
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.plans.typed import typed_plan
from bgmusic.music.rolls.shape import RollShape

SHAPE = RollShape(track_set="satb", resolution=1, bars=8, steps=4, encoding="onset")


def proposals(seed):
    """Return the plan of music in which bars return often, in each track by itself."""
    rng = np.random.default_rng(seed)
    cells = rng.random((4, 3, 4, SHAPE.pitches)) < 0.02  # three bars of each track
    cells[:, 0] &= rng.random((4, 1, 1)) < 0.7  # the first may be silent
    chosen = rng.integers(0, 3, (4, 8))
    notes = np.take_along_axis(cells, chosen[:, :, None, None], 1)
    return extract_channels(np.concatenate([notes, notes])[None], SHAPE).plan(0)


@pytest.mark.parametrize(
    "said",
    [
        {"form": "AABA"},
        {"form": "AABA", "chords": "C | C"},
        {"form": "Soprano:ABAB, Bass:AAAA", "chords": "C | F | G | C"},
        {"form": "ABAC", "instruments": "Alto:xx-x-xxx"},
        {"chords": "C | Am | C | ?", "activity": "Bass:2 ? ? ? ? ? ? 2"},
        {},
    ],
)
def test_any_proposal_completes_a_plan(said):
    plan = settle(typed_plan(PlanShape.of(SHAPE), **said))
    for seed in range(60):
        if seed % 2:
            made = adopt(plan, proposals(seed))
        else:  # window by window, as planners do
            made = adopt(adopt(plan, proposals(seed).window(0, 4)), proposals(seed + 60).window(0, 4), 4)
        assert made.complete
        assert settle(made) == made
        for part in ("instruments", "harmony", "activity"):
            known = getattr(plan, f"{part}_known")
            assert (getattr(plan, part)[known] == getattr(made, part)[known]).all()
        for track, bar in np.argwhere(plan.form_known):
            original = plan.repeats[track, bar]
            assert made.repeats[track, bar] == made.repeats[track, original]
