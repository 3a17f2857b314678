"""Options of commands that take plans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bgmusic.music.composing.planned import Wishes

BarsOption = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="Number of bars.", show_default="as the chords or the plan say, else a phrase"),
]
ChordsOption = Annotated[
    str | None,
    typer.Option(help="Chords: 'C | Am | F G | C/E'; % repeats, N.C. is none, ? leaves open. Or numerals: 'I | vi'."),
]
FormOption = Annotated[
    str | None,
    typer.Option(help="Sections, equal letters for equal ones: AABA; or of tracks: 'Drums:AAAA, Bass:ABAB'."),
]
InstrumentsOption = Annotated[
    str | None, typer.Option(help="x where a track plays, - where it is silent: 'Drums:-x-x, Bass:xxxx'.")
]
ActivityOption = Annotated[
    str | None, typer.Option(help="none, low, medium, high, full, or 0 to 8: 'Piano:low, Bass:1 2 3 2'.")
]
KeyOption = Annotated[str | None, typer.Option(help="Key of Roman numerals: C, Am, 'F# minor'.")]
PlanOption = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="Plan, a JSON file; the other options overrule it.")
]


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
