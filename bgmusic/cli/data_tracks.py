"""``bgmusic data tracks``: propose a track set for music files."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

_MOST_REASONS = 12


def tracks(
    sources: Annotated[
        list[str],
        typer.Argument(help="Folders, MIDI files, archives, muspy:NAME, music21:NAME.", metavar="SOURCE..."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="YAML file to write; printed by default.", metavar="FILE.yaml")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the track set.", show_default="that of the first source")
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=64, help="Maximum number of tracks.")] = 8,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Propose a track set for music files, as YAML with comments for you to edit.

    It shows the parts' names and programs, their ranges, in how many files they play, and how often they play together.
    """
    from bgmusic.cli.progress import progress_bar
    from bgmusic.cli.text import one_line
    from bgmusic.errors import UserError
    from bgmusic.files import write_text
    from bgmusic.music.corpora.proposal_text import proposal_yaml
    from bgmusic.music.corpora.propose import propose_tracks
    from bgmusic.music.corpora.survey import Files
    from bgmusic.plurals import count_of

    if out is not None and out.exists() and not overwrite:
        raise UserError(f"{out} exists: give another file, or --overwrite")
    files = Files(sources)
    try:
        with progress_bar("reading", 2 * len(files)) as progress:
            found = propose_tracks(files, name or _name_of(sources[0]), most, progress)
    finally:
        files.close()
    for file, reason in found.survey.unusable[:_MOST_REASONS]:
        typer.echo(one_line(f"{file}: unusable: {' '.join(reason.split())}"), err=True)
    more = len(found.survey.unusable) - _MOST_REASONS
    if more > 0:
        typer.echo(f"... and {count_of(more, 'more unusable file')}", err=True)
    text = proposal_yaml(found)
    if out is None:
        typer.echo(text, nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)
    names = ", ".join(track.name for track in found.track_set.tracks)
    typer.echo(one_line(f"{out}: {count_of(len(found.track_set), 'track')}: {names}"))
    command = shlex.join(["bgmusic", "data", "build", sources[0], "--tracks", str(out), "--out", "CORPUS"])
    typer.echo(one_line(f"next: {command}"))


def _name_of(source: str) -> str:
    if source.startswith(("music21:", "muspy:")):
        return source.partition(":")[2].partition("=")[0] or source
    return Path(source).resolve().stem or "tracks"
