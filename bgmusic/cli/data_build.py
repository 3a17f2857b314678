"""``bgmusic data build``: build a packed corpus from music files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli.options import (
    BarsOption,
    JoinOption,
    MetreOption,
    MinTracksOption,
    PedalOption,
    ResolutionOption,
    TracksOption,
    corpus_settings,
)
from bgmusic.cli.progress import progress_of_total


def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders, MIDI files, npz files of pypianoroll or MuseGAN, zip or tar archives, muspy:NAME, "
            "music21:NAME.",
            metavar="SOURCE...",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the corpus, new or empty; an interrupted build resumes in it.")],
    tracks: TracksOption = "lpd-5",
    resolution: ResolutionOption = 12,
    bars: BarsOption = 4,
    hop: Annotated[int, typer.Option(help="Bars from the start of one phrase to the next.")] = 1,
    encoding: Annotated[
        str, typer.Option(help="Encoding: onset (lossless), or pause (a gap before repeated notes, as in the papers).")
    ] = "onset",
    metre: MetreOption = "4/4",
    join: JoinOption = False,
    pedal: PedalOption = False,
    min_tracks: MinTracksOption = None,
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
        typer.Option("--compress", help="Compress with xz, to about a tenth; opening then reads all into memory."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing corpus in the folder.")] = False,
) -> None:
    """Build a packed corpus of phrases from music files."""
    from bgmusic.music.corpora.build import Workers, build_corpus
    from bgmusic.music.corpora.split import parse_shares
    from bgmusic.music.corpora.summary import describe_corpus
    from bgmusic.music.rolls.grid_fit import USABLE_BEAT

    settings = corpus_settings(
        sources,
        tracks,
        resolution,
        metre,
        min_tracks,
        bars=bars,
        hop=hop,
        encoding=encoding,
        join=join,
        pedal=pedal,
        min_grid_fit=USABLE_BEAT if min_grid_fit is None else min_grid_fit,
        shares=parse_shares(splits),
    )
    workers = Workers(jobs, backend, scheduler)
    with progress_of_total("Building") as progress:
        meta = build_corpus(
            sources, out, settings, workers=workers, compress=compress, overwrite=overwrite, progress=progress
        )
    for line in describe_corpus(meta):
        typer.echo(line)
