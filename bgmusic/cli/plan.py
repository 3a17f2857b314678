"""``bgmusic plan``: show, make and extract plans."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bgmusic.cli.plan_options import (
    ActivityOption,
    BarsOption,
    ChordsOption,
    FormOption,
    InstrumentsOption,
    KeyOption,
    LooseOption,
    PlannerOption,
    PlanOption,
    decide_plans,
    wishes_of,
)
from bgmusic.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bgmusic.music.composing.planned import Wishes
    from bgmusic.music.plans.plan import Plan, Plans
    from bgmusic.music.plans.shape import PlanShape


def plan(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|CORPUS|FILE",
            help="Composer, planner or corpus, to plan for its tracks; or FILE.mid, FILE.npz, or a plan, FILE.json.",
        ),
    ],
    chords: ChordsOption = None,
    form: FormOption = None,
    instruments: InstrumentsOption = None,
    activity: ActivityOption = None,
    key: KeyOption = None,
    loose: LooseOption = False,
    bars: BarsOption = None,
    base: PlanOption = None,
    planner: PlannerOption = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Random seed of what bgmusic fills in.")] = 0,
    leave_open: Annotated[bool, typer.Option("--open", help="Leave open what you do not state.")] = False,
    index: Annotated[
        int | None, typer.Option(min=0, metavar="K", help="Extract the plan of phrase K of a corpus or an npz.")
    ] = None,
    tracks: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="For FILE.mid: track set, lpd-5, lpd-8, satb, pop909 or YAML.")
    ] = "lpd-5",
    resolution: Annotated[int, typer.Option(min=1, max=480, help="For FILE.mid: steps per beat.")] = 4,
    out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the plan.")] = None,
) -> None:
    """Make a plan, or extract one from music, and show it as a table.

    Each cell has a letter, the same for equal bars of a track, and the activity of the track, 0 to 8 (onsets at 1, 2,
    3, 4, 6, 8, 12, 16 steps or more); - is silence, ? is open.
    """
    from bgmusic.files import require_writable, write_text
    from bgmusic.music.plans.storing import plan_json, read_plan
    from bgmusic.music.plans.table import LEGEND, table

    said = (chords, form, instruments, activity, key, loose or None, bars, base, planner)
    if leave_open and planner is not None:
        raise UserError("--open leaves open what --planner would decide: give one of them")
    if out is not None:
        require_writable(out)
    suffix = source.suffix.lower()
    if suffix in (".mid", ".midi", ".json") and source.is_file():
        if any(value is not None for value in (*said, index)):
            raise UserError(f"{source} is shown as it is: to change a plan, give a composer or corpus and --plan FILE")
        made = read_plan(source) if suffix == ".json" else _extract(source, tracks, resolution)
    elif index is not None or (suffix == ".npz" and source.is_file()):
        if any(value is not None for value in said):
            raise UserError("a plan of music (--index, or an npz) is shown as it is: give no other wishes")
        made = _of_phrase(source, index)
    else:
        made = _wished(
            source, wishes_of(bars, chords, form, instruments, activity, key, loose), base, planner, seed, leave_open
        )
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, plan_json(made))  # first: who reads the table may stop early
    typer.echo(table(made))
    typer.echo(LEGEND)
    if out is not None:
        typer.echo(f"Plan: {out}")


def _extract(file: Path, tracks: str, resolution: int) -> Plan:
    import warnings

    import bgmusic
    from bgmusic.music.plans.extract import extract

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        roll = bgmusic.read(file, tracks, resolution)
    for warning in caught:
        typer.echo(str(warning.message))
    return extract(roll)


def _of_phrase(source: Path, index: int | None) -> Plan:
    """Extract the plan of a phrase of an npz file, or of a corpus."""
    import bgmusic
    from bgmusic.music.corpora.corpus import open_corpus
    from bgmusic.music.plans.extract import extract

    if index is None or source.is_file():
        return extract(bgmusic.read(source, index=index))
    return extract(open_corpus(source).roll(index))


def _wished(source: Path, wishes: Wishes, base: Path | None, planner: Path | None, seed: int, leave_open: bool) -> Plan:
    import bgmusic
    from bgmusic.music.composing.planned import wished_plan
    from bgmusic.music.composing.planners import decide, load_planner
    from bgmusic.music.plans.shape import PlanShape
    from bgmusic.training.lookup import find_run, is_run, shipped_generators
    from bgmusic.training.weights import kind_of

    if not is_run(source) and str(source).removeprefix("generator:") not in shipped_generators():
        return decide_plans(planner, wished_plan(_of_tracks(source), wishes, base), 1, seed).plan(0)
    kind = kind_of(find_run(source))
    complete: Callable[..., Plans]
    if kind == "plans":
        network = load_planner(find_run(source))
        size, complete = network.layout.shape, partial(decide, network)
    elif kind == "music":
        composer = bgmusic.load(find_run(source))
        size, complete = PlanShape.of(composer.shape), composer.complete
    else:
        raise UserError(f"{source} is a run of {kind}: plans are for music")
    plan = wished_plan(size, wishes, base)
    decides = planner is None and not leave_open
    return (complete(plan, 1, seed=seed) if decides else decide_plans(planner, plan, 1, seed)).plan(0)


def _of_tracks(source: Path) -> PlanShape:
    """Return the size of the plans of a corpus."""
    from bgmusic.music.corpora.corpus import embedded_corpora, open_corpus
    from bgmusic.music.plans.shape import PlanShape
    from bgmusic.training.lookup import shipped_generators

    if not source.exists() and str(source) not in embedded_corpora():
        known = sorted({*embedded_corpora(), *shipped_generators()})
        raise UserError(f"no run, corpus or file {str(source)!r}: give {', '.join(known)}, a folder, a .mid or a .json")
    return PlanShape.of(open_corpus(source).settings.shape)
