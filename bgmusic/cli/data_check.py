"""``bgmusic data check``: report how MIDI files fit a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.errors import UserError


def check(
    files: Annotated[
        list[Path],
        typer.Argument(help="MIDI files (plain, gzipped, or in RIFF), or folders of them.", metavar="FILE..."),
    ],
    tracks: Annotated[str, typer.Option(help="Track set: lpd-5, lpd-8, pop909, satb, or a YAML file.")] = "lpd-5",
    resolution: Annotated[int, typer.Option(min=1, max=480, help="Steps per beat.")] = 12,
    bars: Annotated[int, typer.Option(min=1, help="Bars per phrase.")] = 4,
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
) -> None:
    """Report how MIDI files fit a corpus: bars, phrases, notes lost, and repaired damage.

    The exit code is 2 if no file is usable.
    """
    from bgmusic.music.corpora.check import describe
    from bgmusic.music.corpora.metres import with_any_metre
    from bgmusic.music.corpora.settings import Settings
    from bgmusic.music.corpora.sources.folder import midi_files
    from bgmusic.music.midi.read import read_midi
    from bgmusic.music.rolls.metre import COMMON_TIME, parse_metre
    from bgmusic.music.rolls.tracks import TrackSet

    any_metre = metre == "any"
    settings = Settings.create(
        TrackSet.load(tracks),
        resolution,
        bars=bars,
        metre=COMMON_TIME if any_metre else parse_metre(metre),
        any_metre=any_metre,
        join=join,
        pedal=pedal,
        min_tracks=min_tracks,
    )
    if any_metre:
        settings = with_any_metre([str(file) for file in files if file.exists()], settings)
    usable, paths = 0, [path for file in files for path in (midi_files(file) if file.is_dir() else [file])]
    for file in paths:
        try:
            lines = describe(read_midi(file, controls=True), settings)
        except UserError as error:
            typer.echo(f"{file}: unusable: {error}")
        except OSError as error:
            typer.echo(f"{file}: unusable: {error.strerror or error}")
        else:
            usable += 1
            typer.echo("\n  ".join([f"{file}:", *lines]))
    if not usable:
        if not paths:
            raise UserError("no MIDI file in the given folders")
        raise UserError(f"none of {len(paths)} files is usable" if len(paths) > 1 else "the file is not usable")
