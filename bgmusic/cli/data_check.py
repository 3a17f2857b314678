"""``bgmusic data check``: what would this MIDI become, and what is wrong with it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.errors import UserError


def check(
    files: Annotated[list[Path], typer.Argument(help="MIDI files: plain, gzip'd, or in RIFF.", metavar="FILE...")],
    tracks: Annotated[str, typer.Option(help="Track set: lpd-5, lpd-8, satb, or a YAML file.")] = "lpd-5",
    resolution: Annotated[int, typer.Option(min=1, max=480, help="Steps a beat.")] = 12,
    bars: Annotated[int, typer.Option(min=1, help="Bars of a phrase.")] = 4,
) -> None:
    """Say of each file what it would become (notes, bars, phrases, losses), and what is wrong with it.

    The exit code is 2 if no file is usable.
    """
    from bgmusic.music.check import describe
    from bgmusic.music.midi import read_midi
    from bgmusic.music.tracks import TrackSet

    track_set = TrackSet.load(tracks)
    usable = 0
    for file in files:
        try:
            lines = describe(read_midi(file), track_set, resolution, bars)
        except UserError as error:
            typer.echo(f"{file}: unusable: {error}")
        except OSError as error:
            typer.echo(f"{file}: unusable: {error.strerror or error}")
        else:
            usable += 1
            typer.echo("\n  ".join([f"{file}:", *lines]))
    if not usable:
        raise UserError(f"none of {len(files)} files is usable" if len(files) > 1 else "the file is not usable")
