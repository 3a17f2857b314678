"""``bgmusic compose``: compose under a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bgmusic.cli import music_files
from bgmusic.cli.kept_files import free_units, read_kept_file, require_other_files
from bgmusic.cli.options import BpmOption, DraftsOption, EndingOption, FirstOption
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
from bgmusic.cli.progress import progress_bar
from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.music.composing.given import Given
    from bgmusic.music.plans.plan import Plan, Plans
    from bgmusic.music.rolls.shape import RollShape


def compose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of a composer, or a shipped one.")],
    chords: ChordsOption = None,
    form: FormOption = None,
    instruments: InstrumentsOption = None,
    activity: ActivityOption = None,
    key: KeyOption = None,
    loose: LooseOption = False,
    bars: BarsOption = None,
    ending: EndingOption = False,
    base: PlanOption = None,
    planner: PlannerOption = None,
    given: Annotated[
        Path | None,
        typer.Option(metavar="FILE.mid", help="MIDI file of which a part is kept; needs --track or --free."),
    ] = None,
    track: Annotated[
        str | None,
        typer.Option(help="Track of --given to keep: its name, or its number (from 0) among the composer's."),
    ] = None,
    free: Annotated[
        str | None,
        typer.Option(
            metavar="UNITS",
            help="Compose only these tracks and bars: 'Alto:2-3, Bass'; or beats: Alto:2.1-3.4; or all. Keeps the rest "
            "of --given. Uses no planner unless --planner is given.",
        ),
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=1000, help="Number of pieces.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Random seed.")] = 0,
    first: FirstOption = 0,
    bpm: BpmOption = None,
    drafts: DraftsOption = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.")] = Path("composed"),
    format_: Annotated[
        str | None,
        typer.Option("--format", help="Comma-separated formats, as for generate.", show_default="mid,png,npz"),
    ] = None,
) -> None:
    """Compose under a plan of chords, form, instruments and activity; the composer decides what the plan leaves open.

    The plan is saved beside the music as piece-0000.plan.json. You can edit it and reuse it by --plan.
    """
    formats = music_files.parse_formats(format_) or list(music_files.DEFAULT)
    _require_given(given, track, free, ending, bpm)

    from bgmusic.cli.rests import mention_rests
    from bgmusic.files import require_writable
    from bgmusic.music.composing import planned
    from bgmusic.music.composing.generate import to_rolls
    from bgmusic.music.composing.load import load_generator
    from bgmusic.music.composing.write_back import with_accompaniment
    from bgmusic.music.midi.song import DEFAULT_BPM
    from bgmusic.music.plans.shape import PlanShape
    from bgmusic.studio.free_pieces import compose_free
    from bgmusic.training.memory import keep_freed_memory

    folder = _find_composer(run)
    _, shape, generator = load_generator(folder, drafts)
    kept = None if given is None or free is None else read_kept_file(given, shape)
    bars = kept.roll.bars if kept is not None and bars is None and base is None else bars
    source = None if given is None or track is None else _read_track(given, track, shape)
    notes = None if source is None else planned.GivenTrack.of(source)
    if source is not None:
        if bars is not None and bars != source.bars:
            raise UserError(f"--bars {bars}: the given track has {source.bars} bars")
        bars = source.bars
    wishes = wishes_of(bars, chords, form, instruments, activity, key, loose)
    plan = planned.wished_plan(PlanShape.of(shape), wishes, base)
    if notes is not None:
        plan = planned.with_given(plan, notes, shape)
    _require_sound(plan)
    require_other_files(given, out, first, number)
    units = None
    if free is not None:
        units, plan = free_units(free, plan, kept, given)
    length = plan.shape.bars * shape.steps / shape.resolution
    music_files.require_short(formats, length * 60 / (bpm or shape.bpm or DEFAULT_BPM))
    require_writable(out, folder=True)
    keep_freed_memory()
    planner = _planner_of(folder, planner, free)
    plans = decide_plans(planner, plan, number, seed, first, notes)
    with progress_bar("Composing", number) as progress:
        if units is not None:
            rolls, songs = compose_free(generator, shape, units, plans, kept, seed, first, bpm, progress)
        else:
            channels = planned.compose(
                generator, shape, plans, seed, first=first, given=notes, ending=ending, progress=progress
            )
            rolls = to_rolls(channels, shape, bpm)
            songs = None if source is None else [with_accompaniment(source, [roll]) for roll in rolls]
    mention_rests(shape, plans, rolls, units, None if notes is None else notes.track)
    about = {"run": str(run), "seed": seed, "first": first}
    music_files.write_music(rolls, out, formats, "piece", about=about, songs=songs, first=first)
    _write_plans(plans, out, first)


def _find_composer(run: Path) -> Path:
    from bgmusic.training.lookup import find_run
    from bgmusic.training.weights import kind_of

    folder = find_run(run)
    if kind_of(folder) != "music":
        raise UserError(f"{run} is a run of {kind_of(folder)}: compose is for music")
    return folder


def _planner_of(folder: Path, planner: Path | None, free: str | None) -> Path | None:
    """Return the planner that is given, or the one beside the composer; with --free there is only the former."""
    from bgmusic.music.composing.planners import has_planner
    from bgmusic.training.lookup import find_run
    from bgmusic.training.weights import kind_of

    if planner is not None and free is not None and kind_of(find_run(planner)) == "music":
        raise UserError(f"--planner {planner}: a composer does not hear what --free keeps; give the run of a planner")
    return folder if planner is None and free is None and has_planner(folder) else planner


def _read_track(file: Path, track: str, shape: RollShape) -> Given:
    from bgmusic.music.composing.given import read_given, track_number

    given = read_given(file, shape, track_number(track, shape.track_set))
    for remark in given.remarks:
        typer.echo(remark, err=True)
    return given


def _write_plans(plans: Plans, out: Path, first: int) -> None:
    from bgmusic.music.plans.storing import write_plan

    paths = [out / f"piece-{first + place:04d}.plan.json" for place in range(len(plans))]
    for place, path in enumerate(paths):
        write_plan(plans.plan(place), path)
    typer.echo(f"Plan: {paths[0]}" + (" and so on" if len(paths) > 1 else ""))


def _require_sound(plan: Plan) -> None:
    if bool((plan.instruments_known & ~plan.instruments).all()):
        raise UserError("all tracks are silent in all bars: nothing is left to compose")


def _require_given(given: Path | None, track: str | None, free: str | None, ending: bool, bpm: float | None) -> None:
    from bgmusic.studio.free_units import EVERYTHING

    if ending and free is not None:
        raise UserError("--ending is for whole pieces, without --free")
    if free is None and track is None and given is not None:
        raise UserError("--given needs --track, the track that stays as it is, or --free, what is composed")
    if track is not None and given is None:
        raise UserError("--track needs --given, the file that has the track")
    if track is not None and bpm is not None:
        raise UserError("--bpm: with --track the piece keeps the tempo of the file")
    if free is not None and given is None and free.strip().lower() != EVERYTHING:
        typer.echo("without --given, all that --free leaves out is silent", err=True)
    if free is not None and track is not None:
        raise UserError("--track and --free exclude each other: the track that stays, or the units that are composed")
