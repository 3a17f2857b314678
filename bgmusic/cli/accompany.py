"""``bgmusic accompany``: compose all other tracks to a given track."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli import music_files
from bgmusic.cli.options import DraftsOption, FirstOption, JobsOption
from bgmusic.cli.progress import progress_bar
from bgmusic.errors import UserError


def accompany(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Run folder of a composer, or a shipped one: bach, freedoom, pop."),
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE.mid", help="MIDI file with the given track.")],
    given: Annotated[
        str,
        typer.Option(
            metavar="TRACK",
            help="Given track, which stays unchanged: its name, or its number (from 0) among the composer's.",
        ),
    ],
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=1000, help="Number of accompaniments.")] = 1,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Random seed; the same seed gives the same accompaniments.")
    ] = 0,
    first: FirstOption = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.")] = Path("accompaniment"),
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Comma-separated: mid, png, npz, wav, flac, ogg, mp3, musicxml, svg.",
            show_default="mid,png,npz",
        ),
    ] = None,
    drafts: DraftsOption = None,
    jobs: JobsOption = 1,
) -> None:
    """Compose all other tracks for a given track of a MIDI file.

    The given track's notes, controllers and bends stay exactly as they are; other tracks of the file are ignored. In a
    file with a single part, that part is the given track. The other tracks are composed in every full bar that is as
    long as the composer's. npz, png, musicxml and svg hold these bars; accompaniment-0000.mid and so on hold the whole
    piece.
    """
    formats = music_files.parse_formats(format_) or list(music_files.DEFAULT)

    from bgmusic.files import require_writable
    from bgmusic.music.composing.accompaniment import accompany as compose
    from bgmusic.music.composing.accompaniment import load_composer, phrases_needed
    from bgmusic.music.composing.given import read_given, track_number
    from bgmusic.music.composing.write_back import with_accompaniment
    from bgmusic.music.rolls.joining import join_rolls
    from bgmusic.music.sound.timing import timed_notes
    from bgmusic.training.lookup import find_run
    from bgmusic.training.memory import keep_freed_memory
    from bgmusic.training.weights import kind_of

    folder = find_run(run)
    if kind_of(folder) != "music":
        raise UserError(f"{run} is a run of {kind_of(folder)}: accompany is for music")
    shape, composer = load_composer(folder, drafts)
    track = read_given(file, shape, track_number(given, shape.track_set))
    for remark in track.remarks:
        typer.echo(remark)
    ours = {(out / f"accompaniment-{index:04d}.mid").resolve() for index in range(first, first + number)}
    if "mid" in formats and file.resolve() in ours:
        raise UserError(f"{file} would be overwritten by its accompaniment: choose another --out")
    music_files.require_libraries(formats)
    require_writable(out, folder=True)
    music_files.require_short(formats, timed_notes(track.song).last_stop)
    keep_freed_memory()
    with progress_bar("Composing", number * phrases_needed(track)) as progress:
        found = compose(composer, track, number, seed, progress, first=first, jobs=jobs)
    name = shape.track_set.tracks[track.track].name
    about = {"run": str(run), "seed": seed, "first": first, "file": str(file), "given": name}
    music_files.write_music(
        [join_rolls(stretches) for stretches in found],
        out,
        formats,
        "accompaniment",
        first=first,
        about=about,
        songs=[with_accompaniment(track, stretches) for stretches in found],
    )
