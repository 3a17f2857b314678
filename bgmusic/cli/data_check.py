"""``bgmusic data check``: what would this MIDI become, and what is wrong with it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.errors import UserError


def check(
    files: Annotated[
        list[Path],
        typer.Argument(help="MIDI files: plain, gzip'd, or in RIFF; of a folder all below it.", metavar="FILE..."),
    ],
    tracks: Annotated[str, typer.Option(help="Track set: lpd-5, lpd-8, satb, or a YAML file.")] = "lpd-5",
    resolution: Annotated[int, typer.Option(min=1, max=480, help="Steps a beat.")] = 12,
    bars: Annotated[int, typer.Option(min=1, help="Bars of a phrase.")] = 4,
    metre: Annotated[str, typer.Option(help="Of every bar of a phrase.")] = "4/4",
    min_tracks: Annotated[
        int | None, typer.Option(help="Tracks that play in a phrase, at least.", show_default="half of all")
    ] = None,
) -> None:
    """Say of each file what it would become in a corpus (notes, bars, phrases, losses), and what is wrong with it.

    The exit code is 2 if no file is usable.
    """
    from bgmusic.music.corpora.check import describe
    from bgmusic.music.corpora.settings import Settings
    from bgmusic.music.corpora.sources.folder import midi_files
    from bgmusic.music.midi.read import read_midi
    from bgmusic.music.rolls.grid import parse_metre
    from bgmusic.music.rolls.tracks import TrackSet

    settings = Settings(TrackSet.load(tracks), resolution, bars=bars, metre=parse_metre(metre), min_tracks=min_tracks)
    usable, found = 0, [path for file in files for path in (midi_files(file) if file.is_dir() else [file])]
    for file in found:
        try:
            lines = describe(read_midi(file), settings)
        except UserError as error:
            typer.echo(f"{file}: unusable: {error}")
        except OSError as error:
            typer.echo(f"{file}: unusable: {error.strerror or error}")
        else:
            usable += 1
            typer.echo("\n  ".join([f"{file}:", *lines]))
    if not usable:
        several = f"none of {len(found)} files is usable" if found else "there is no MIDI file"
        raise UserError("the file is not usable" if len(found) == 1 else several)
