"""``bgmusic compose``: compose under a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli import music_files
from bgmusic.cli.options import BpmOption, FirstOption
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
from bgmusic.cli.progress import progress_bar
from bgmusic.errors import UserError


def compose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of a composer, or a shipped one.")],
    chords: ChordsOption = None,
    form: FormOption = None,
    instruments: InstrumentsOption = None,
    activity: ActivityOption = None,
    key: KeyOption = None,
    bars: BarsOption = None,
    base: PlanOption = None,
    planner: PlannerOption = None,
    given: Annotated[
        Path | None, typer.Option(metavar="FILE.mid", help="MIDI file with a track that stays as it is; needs --track.")
    ] = None,
    track: Annotated[str | None, typer.Option(help="Name or number (from 0) of the given track.")] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=1000, help="Number of pieces.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Random seed.")] = 0,
    first: FirstOption = 0,
    bpm: BpmOption = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.")] = Path("composed"),
    format_: Annotated[
        str | None,
        typer.Option("--format", help="Comma-separated formats, as of generate.", show_default="mid,png,npz"),
    ] = None,
) -> None:
    """Compose what a plan says: chords, form, instruments, activity; what is not said, the composer decides.

    piece-0000.plan.json beside the music has the plan. It can be edited and taken back by --plan.
    """
    formats = music_files.parse_formats(format_) or list(music_files.DEFAULT)
    if (given is None) != (track is None):
        raise UserError("--given and --track belong together: the file, and its track that stays as it is")

    from bgmusic.files import require_writable
    from bgmusic.music.composing import planned
    from bgmusic.music.composing.generate import to_rolls
    from bgmusic.music.composing.given import read_given, track_number
    from bgmusic.music.composing.load import load_generator
    from bgmusic.music.composing.write_back import with_accompaniment
    from bgmusic.music.midi.song import DEFAULT_BPM
    from bgmusic.music.plans.shape import PlanShape
    from bgmusic.music.plans.storing import write_plan
    from bgmusic.training.lookup import find_run
    from bgmusic.training.memory import keep_freed_memory
    from bgmusic.training.weights import kind_of

    folder = find_run(run)
    if kind_of(folder) != "music":
        raise UserError(f"{run} is a run of {kind_of(folder)}: compose is for music")
    _, shape, generator = load_generator(folder)
    source = None if given is None or track is None else read_given(given, shape, track_number(track, shape.track_set))
    notes = None if source is None else planned.GivenTrack.of(source)
    if source is not None:
        if bars is not None and bars != source.bars:
            raise UserError(f"--bars {bars}: the given track has {source.bars} bars")
        bars = source.bars
    plan = planned.wished_plan(PlanShape.of(shape), wishes_of(bars, chords, form, instruments, activity, key), base)
    if notes is not None:
        plan = planned.with_given(plan, notes, shape)
    length = plan.shape.bars * shape.steps / shape.resolution
    music_files.require_short(formats, length * 60 / (bpm or shape.bpm or DEFAULT_BPM))
    require_writable(out, folder=True)
    keep_freed_memory()
    plans = decide_plans(folder, planner, plan, number, seed, first)
    with progress_bar("Composing", number) as progress:
        channels = planned.compose(generator, shape, plans, seed, first=first, given=notes, progress=progress)
    rolls = to_rolls(channels, shape, bpm)
    songs = None if source is None else [with_accompaniment(source, [roll]) for roll in rolls]
    about = {"run": str(run), "seed": seed, "first": first}
    music_files.write_music(rolls, out, formats, "piece", about=about, songs=songs, first=first)
    paths = [out / f"piece-{first + place:04d}.plan.json" for place in range(number)]
    for place, path in enumerate(paths):
        write_plan(plans.plan(place), path)
    typer.echo(f"Plan: {paths[0]}" + (" and so on" if number > 1 else ""))
