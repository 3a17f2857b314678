"""Options of commands that take plans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bgmusic.music.composing.planned import Wishes
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
KeyOption = Annotated[str | None, typer.Option(help="Key of Roman numerals: C, Am, 'F# minor'.")]
PlanOption = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="Plan file (JSON); the other options override it.")
]
PlannerOption = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN", help="Run of a planner, to decide what is open.", show_default="the composer's, if any"
    ),
]


def decide_plans(folder: Path | None, planner: Path | None, plan: Plan, number: int, seed: int, first: int) -> Plans:
    """Complete a plan by a planner; without one, what is not said stays open.

    Args:
        folder: run folder of the composer, which may have a planner of its own.
        planner: run of another planner.
        plan: what is said.
        number: number of plans.
        seed: seed of the plans.
        first: number of the first plan.

    Raises:
        UserError: the planner is for other tracks, or corrupt.

    """
    from bgmusic.music.composing.planners import decide, has_planner, load_planner
    from bgmusic.training.lookup import find_run

    if planner is not None:
        return decide(load_planner(find_run(planner)), plan, number, seed, first)
    if folder is not None and has_planner(folder):
        return decide(load_planner(folder), plan, number, seed, first)
    return plan.repeated(number)


def wishes_of(
    bars: int | None,
    chords: str | None,
    form: str | None,
    instruments: str | None,
    activity: str | None,
    key: str | None,
) -> Wishes:
    """Return what the options say."""
    from bgmusic.music.composing.planned import Wishes

    return Wishes(bars, chords, form, instruments, activity, key)
