"""Plan by sketches: the composer composes a piece, and its plan completes what is known.

A composer knows far more of form and harmony than a network that has seen plans alone (docs/notes/plans.md).
"""

from __future__ import annotations

from bgmusic.music.composing.planned import GivenTrack, compose
from bgmusic.music.plans.complete import adopt
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.plan import Plan, Plans
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork


def sketched(
    generator: SampleNetwork,
    shape: RollShape,
    plan: Plan,
    count: int,
    seed: int,
    first: int = 0,
    given: GivenTrack | None = None,
) -> Plans:
    """Complete a plan in ``count`` ways. Each depends on the plan, the seed and its number alone.

    Args:
        generator: a composer that composes under plans, in evaluation mode.
        shape: shape of its phrases.
        plan: a settled plan; what it knows stays.
        count: number of plans.
        seed: seed of the noise.
        first: number of the first plan, from 0.
        given: a track whose notes are known, with its facts in the plan.

    Raises:
        UserError: the generator composes without plans, or the plan does not fit it.

    """
    sketches = compose(generator, shape, plan.repeated(count), seed, first=first, given=given)
    proposals = extract_channels(sketches, shape)
    return Plans.stack([adopt(plan, proposals.plan(number)) for number in range(count)])
