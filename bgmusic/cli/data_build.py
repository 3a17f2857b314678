"""``bgmusic data build``: music in, a packed corpus out."""

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
            help="Folders, files (MIDI, npz of pypianoroll or MuseGAN), zip or tar archives, muspy:NAME, music21:NAME.",
            metavar="SOURCE...",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The corpus's folder; an interrupted build goes on in it.")],
    tracks: Annotated[str, typer.Option(help="lpd-5, lpd-8, satb, or a YAML file.")] = "lpd-5",
    resolution: Annotated[int, typer.Option(help="Steps a beat.")] = 12,
    bars: Annotated[int, typer.Option(help="Bars of a phrase.")] = 4,
    hop: Annotated[int, typer.Option(help="Bars from one phrase to the next.")] = 1,
    encoding: Annotated[str, typer.Option(help="onset (lossless) or pause (the papers').")] = "onset",
    metre: Annotated[str, typer.Option(help="Of every bar; also that of files that say nothing.")] = "4/4",
    min_tracks: Annotated[
        int | None, typer.Option(help="Tracks that play in a phrase, at least.", show_default="half of all")
    ] = None,
    min_grid_fit: Annotated[
        float | None,
        typer.Option(
            help="Leave out files with a smaller share of onsets near a step; 0 keeps all.", show_default="0.75"
        ),
    ] = None,
    splits: Annotated[str, typer.Option(help="Shares of train, validation and test.")] = "0.8,0.1,0.1",
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes; the result is the same.")] = 1,
    backend: Annotated[str, typer.Option(help="loky (this machine) or dask (a cluster).")] = "loky",
    scheduler: Annotated[str | None, typer.Option(help="Address of Dask's scheduler.", metavar="ADDRESS")] = None,
    compress: Annotated[bool, typer.Option("--compress", help="Pack with xz: a tenth, but not mapped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the corpus in the folder.")] = False,
) -> None:
    """Build a packed corpus of phrases from any music."""
    from bgmusic.music.corpora.build import Workers, build_corpus
    from bgmusic.music.corpora.report import describe_corpus
    from bgmusic.music.corpora.settings import Settings
    from bgmusic.music.corpora.split import parse_shares
    from bgmusic.music.rolls.grid import parse_metre
    from bgmusic.music.rolls.grid_fit import USABLE_BEAT
    from bgmusic.music.rolls.tracks import TrackSet

    settings = Settings(
        TrackSet.load(tracks),
        resolution,
        bars=bars,
        hop=hop,
        encoding=encoding,  # type: ignore[arg-type] # Settings checks it
        metre=parse_metre(metre),
        min_tracks=min_tracks,
        min_grid_fit=USABLE_BEAT if min_grid_fit is None else min_grid_fit,
        shares=parse_shares(splits),
    )
    workers = Workers(jobs, backend, scheduler)
    with _progress() as show:
        meta = build_corpus(
            sources, out, settings, workers=workers, compress=compress, overwrite=overwrite, progress=show
        )
    for line in describe_corpus(meta):
        typer.echo(line)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr; yields what tells it how many entries of how many are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("building"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
