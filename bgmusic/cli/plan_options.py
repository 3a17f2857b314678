"""Options of commands that take plans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.music.composing.planned import GivenTrack, Wishes
    from bgmusic.music.plans.plan import Plan, Plans

BarsOption = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="Number of bars.", show_default="from the chords or the plan, else a phrase"),
]
ChordsOption = Annotated[
    str | None,
    typer.Option(help="Chords: 'C | Am | F G | C/E'; % repeats, N.C. is no chord, ? is open. Or numerals: 'I | vi'."),
]
FormOption = Annotated[
    str | None,
    typer.Option(help="Sections, the same letter for the same notes: AABA; or by track: 'Drums:AAAA, Bass:ABAB'."),
]
InstrumentsOption = Annotated[
    str | None, typer.Option(help="x where a track plays, - where it is silent, ? is open: 'Drums:-x-x, Bass:xxxx'.")
]
ActivityOption = Annotated[
    str | None, typer.Option(help="Onset density: none, low, medium, high, full, or 0 to 8: 'Piano:low, Bass:1 2 3 2'.")
]
KeyOption = Annotated[str | None, typer.Option(help="Key of the piece, and of Roman numerals: C, Am, 'F# minor'.")]
LooseOption = Annotated[
    bool,
    typer.Option("--loose", help="Require a chord only on the beat where you write it, and on the first of each bar."),
]
PlanOption = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="Plan file (JSON); the other options override it.")
]
PlannerOption = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Planner, or composer that plans by a sketch, to decide what is open.",
        show_default="the planner beside the composer, if any",
    ),
]


def decide_plans(
    planner: Path | None, plan: Plan, number: int, seed: int, first: int = 0, given: GivenTrack | None = None
) -> Plans:
    """Complete a plan by a planner, or by the sketches of a composer; without one, what is not said stays open.

    Args:
        planner: run of a planner or of a composer.
        plan: what is said.
        number: number of plans.
        seed: seed of the plans.
        first: number of the first plan.
        given: a track that stays as it is, which a sketch hears.

    Raises:
        UserError: the run is for other tracks, corrupt, or neither a planner nor a composer that obeys plans.

    """
    import bgmusic
    from bgmusic.music.composing.planners import decide, has_planner, load_planner
    from bgmusic.training.lookup import find_run
    from bgmusic.training.weights import kind_of

    if planner is None:
        return plan.repeated(number)
    folder = find_run(planner)
    kind = kind_of(folder)
    if kind == "plans" or has_planner(folder):  # then the composer need not be loaded
        return decide(load_planner(folder), plan, number, seed, first)
    if kind != "music":
        raise UserError(f"{planner} is a run of {kind}: plans come from planners and composers")
    composer = bgmusic.load(folder)
    tracks = tuple(track.name for track in composer.shape.track_set.tracks)
    if tracks != plan.shape.tracks:
        raise UserError(f"{planner} plans for {', '.join(tracks)}, not for {', '.join(plan.shape.tracks)}")
    return composer.complete(plan, number, seed=seed, first=first, given=given)


def wishes_of(
    bars: int | None,
    chords: str | None,
    form: str | None,
    instruments: str | None,
    activity: str | None,
    key: str | None,
    loose: bool,
) -> Wishes:
    """Return what the options say."""
    from bgmusic.music.composing.planned import Wishes

    return Wishes(bars, chords, form, instruments, activity, key, loose)
