"""``bgmusic plan``: show, make and extract plans."""

from __future__ import annotations

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
    PlannerOption,
    PlanOption,
    decide_plans,
    wishes_of,
)
from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.music.composing.planned import Wishes
    from bgmusic.music.plans.plan import Plan
    from bgmusic.music.plans.shape import PlanShape


def plan(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|CORPUS|FILE",
            help="Composer, planner or corpus, to plan for its tracks; or FILE.mid or a plan, FILE.json, to show.",
        ),
    ],
    chords: ChordsOption = None,
    form: FormOption = None,
    instruments: InstrumentsOption = None,
    activity: ActivityOption = None,
    key: KeyOption = None,
    bars: BarsOption = None,
    base: PlanOption = None,
    planner: PlannerOption = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Random seed of what is decided.")] = 0,
    leave_open: Annotated[bool, typer.Option("--open", help="Leave open what is not said.")] = False,
    index: Annotated[
        int | None, typer.Option(min=0, metavar="K", help="Extract the plan of phrase K of a corpus.")
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

    said = (chords, form, instruments, activity, key, bars, base, planner)
    if leave_open and planner is not None:
        raise UserError("--open leaves open what --planner would decide: give one of them")
    if out is not None:
        require_writable(out)
    suffix = source.suffix.lower()
    if suffix in (".mid", ".midi", ".json") and source.is_file():
        if any(value is not None for value in (*said, index)):
            raise UserError(f"{source} is shown as it is: to change a plan, give a composer or corpus and --plan FILE")
        made = read_plan(source) if suffix == ".json" else _extract(source, tracks, resolution)
    elif index is not None:
        if any(value is not None for value in said):
            raise UserError("--index extracts a plan of music: give no other wishes")
        made = _of_corpus(source, index)
    else:
        made = _wished(
            source, wishes_of(bars, chords, form, instruments, activity, key), base, planner, seed, leave_open
        )
    typer.echo(table(made))
    typer.echo(LEGEND)
    if out is not None:
        write_text(out, plan_json(made))
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


def _of_corpus(source: Path, index: int) -> Plan:
    from bgmusic.music.corpora.corpus import open_corpus
    from bgmusic.music.plans.extract import extract

    return extract(open_corpus(source).roll(index))


def _wished(source: Path, wishes: Wishes, base: Path | None, planner: Path | None, seed: int, leave_open: bool) -> Plan:
    from bgmusic.music.composing.planned import wished_plan
    from bgmusic.training.lookup import find_run, is_run, shipped_generators

    folder = None
    if is_run(source) or str(source).removeprefix("generator:") in shipped_generators():
        folder = find_run(source)
    shape, plans = _size(source, folder)
    planner = None if leave_open else planner or (source if plans else None)
    return decide_plans(planner, wished_plan(shape, wishes, base), 1, seed).plan(0)


def _size(source: Path, folder: Path | None) -> tuple[PlanShape, bool]:
    """Return the size of the plans of a run or a corpus, and whether the run makes plans."""
    from bgmusic.music.composing.load import load_generator
    from bgmusic.music.composing.planned import composes_under_plans
    from bgmusic.music.composing.planners import load_planner
    from bgmusic.music.corpora.corpus import embedded_corpora, open_corpus
    from bgmusic.music.plans.shape import PlanShape
    from bgmusic.training.lookup import shipped_generators
    from bgmusic.training.weights import kind_of

    if folder is None and not source.exists() and str(source) not in embedded_corpora():
        known = sorted({*embedded_corpora(), *shipped_generators()})
        raise UserError(f"no run, corpus or file {str(source)!r}: give {', '.join(known)}, a folder, a .mid or a .json")
    if folder is None:
        return PlanShape.of(open_corpus(source).settings.shape), False
    kind = kind_of(folder)
    if kind not in ("plans", "music"):
        raise UserError(f"{source} is a run of {kind}: plans are for music")
    if kind == "plans":
        return load_planner(folder).layout.shape, True
    _, shape, generator = load_generator(folder)
    return PlanShape.of(shape), composes_under_plans(generator)
