"""``bgmusic data build``: build a packed corpus from music files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer


def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders, MIDI files, npz files of pypianoroll or MuseGAN, zip or tar archives, muspy:NAME, "
            "music21:NAME.",
            metavar="SOURCE...",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the corpus; an interrupted build resumes in it.")],
    tracks: Annotated[str, typer.Option(help="Track set: lpd-5, lpd-8, pop909, satb, or a YAML file.")] = "lpd-5",
    resolution: Annotated[int, typer.Option(help="Steps per beat.")] = 12,
    bars: Annotated[int, typer.Option(help="Bars per phrase.")] = 4,
    hop: Annotated[int, typer.Option(help="Bars from the start of one phrase to the next.")] = 1,
    encoding: Annotated[
        str, typer.Option(help="Encoding: onset (lossless), or pause (a gap before repeated notes, as in the papers).")
    ] = "onset",
    metre: Annotated[
        str,
        typer.Option(help="Time signature of every phrase, and of files without one; any: those of the files."),
    ] = "4/4",
    join: Annotated[
        bool, typer.Option("--join", help="Join shorter bars to bars of --metre: 2/4 and 1/4 to 4/4.")
    ] = False,
    pedal: Annotated[
        bool, typer.Option("--pedal", help="Make notes last as they sound under the sustain pedal.")
    ] = False,
    min_tracks: Annotated[
        int | None,
        typer.Option(help="Minimum number of tracks that play in a phrase.", show_default="half of the tracks"),
    ] = None,
    min_grid_fit: Annotated[
        float | None,
        typer.Option(
            help="Skip files with a smaller share (0 to 1) of onsets near a step; 0 skips none.", show_default="0.75"
        ),
    ] = None,
    splits: Annotated[str, typer.Option(help="Shares of train, validation and test.")] = "0.8,0.1,0.1",
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", help="Number of processes; the result does not depend on it.")
    ] = 1,
    backend: Annotated[
        str, typer.Option(help="Workers: loky (processes on this machine) or dask (a cluster).")
    ] = "loky",
    scheduler: Annotated[str | None, typer.Option(help="Address of the Dask scheduler.", metavar="ADDRESS")] = None,
    compress: Annotated[
        bool,
        typer.Option("--compress", help="Compress with xz, to about a tenth; opening then reads everything to memory."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing corpus in the folder.")] = False,
) -> None:
    """Build a packed corpus of phrases from music files."""
    from bgmusic.music.corpora.build import Workers, build_corpus
    from bgmusic.music.corpora.metres import with_any_metre
    from bgmusic.music.corpora.settings import Settings
    from bgmusic.music.corpora.split import parse_shares
    from bgmusic.music.corpora.summary import describe_corpus
    from bgmusic.music.rolls.grid_fit import USABLE_BEAT
    from bgmusic.music.rolls.metre import COMMON_TIME, parse_metre
    from bgmusic.music.rolls.tracks import TrackSet

    any_metre = metre == "any"
    settings = Settings.create(
        TrackSet.load(tracks),
        resolution,
        bars=bars,
        hop=hop,
        encoding=encoding,  # type: ignore[arg-type] # Settings checks it
        metre=COMMON_TIME if any_metre else parse_metre(metre),
        any_metre=any_metre,
        join=join,
        pedal=pedal,
        min_tracks=min_tracks,
        min_grid_fit=USABLE_BEAT if min_grid_fit is None else min_grid_fit,
        shares=parse_shares(splits),
    )
    if any_metre:
        settings = with_any_metre(sources, settings)
    workers = Workers(jobs, backend, scheduler)
    with _progress_bar() as progress:
        meta = build_corpus(
            sources, out, settings, workers=workers, compress=compress, overwrite=overwrite, progress=progress
        )
    for line in describe_corpus(meta):
        typer.echo(line)


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr; yield its callback, which takes the number of entries done and in all."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("building"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
