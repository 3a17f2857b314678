"""``bgmusic data check``: report how MIDI files fit a corpus."""

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
from bgmusic.errors import UserError


def check(
    files: Annotated[
        list[Path],
        typer.Argument(help="MIDI files (plain, gzipped, or in RIFF), or folders of them.", metavar="FILE..."),
    ],
    tracks: TracksOption = "lpd-5",
    resolution: ResolutionOption = 12,
    bars: BarsOption = 4,
    metre: MetreOption = "4/4",
    join: JoinOption = False,
    pedal: PedalOption = False,
    min_tracks: MinTracksOption = None,
) -> None:
    """Report how MIDI files fit a corpus: bars, phrases, notes lost, and repaired damage.

    The exit code is 2 if no file is usable.
    """
    from bgmusic.music.corpora.check import describe
    from bgmusic.music.corpora.metre_advice import metre_advice, metre_fit
    from bgmusic.music.corpora.sources.folder import midi_files
    from bgmusic.music.midi.read import read_midi

    sources = [str(file) for file in files if file.exists()]
    settings = corpus_settings(sources, tracks, resolution, metre, min_tracks, bars=bars, join=join, pedal=pedal)
    fits, paths = [], [path for file in files for path in (midi_files(file) if file.is_dir() else [file])]
    for file in paths:
        try:
            song = read_midi(file, controls=True)
            lines = describe(song, settings)
            fits.append(metre_fit(song, settings))
        except UserError as error:
            typer.echo(f"{file}: unusable: {error}")
        except OSError as error:
            typer.echo(f"{file}: unusable: {error.strerror or error}")
        else:
            typer.echo("\n  ".join([f"{file}:", *lines]))
    if advice := metre_advice(fits, settings):
        typer.echo(advice)
    if not fits:
        if not paths:
            raise UserError("no MIDI file in the given folders")
        raise UserError(f"none of {len(paths)} files is usable" if len(paths) > 1 else "the file is not usable")
