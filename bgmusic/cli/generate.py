"""``bgmusic generate``: generate digits or music with a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli import music_files
from bgmusic.cli.options import BinarizeOption, BpmOption, DraftsOption, EndingOption, FirstOption, JobsOption
from bgmusic.cli.progress import progress_bar
from bgmusic.errors import UserError
from bgmusic.plurals import count_of

_MOST = 1_000_000  # samples; more would not fit in memory at once
_FORMATS = {"digits": ("png", "npz"), "music": music_files.FORMATS}
_NUMBER = {"digits": 100, "music": 16}


def generate(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Run folder, or a shipped generator: bach, freedoom, pop."),
    ],
    number: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--number",
            min=1,
            max=_MOST,
            help="Number of samples.",
            show_default="100 digits, 16 phrases, 1 piece of more bars",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Random seed; the same seed gives the same samples.")
    ] = 0,
    first: FirstOption = 0,
    bars: Annotated[
        int | None,
        typer.Option(min=1, help="For music: bars of each piece, 1024 at most.", show_default="those of a phrase"),
    ] = None,
    ending: EndingOption = False,
    bpm: BpmOption = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.")] = Path("samples"),
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Comma-separated: png, npz; for music also mid, wav, flac, ogg, mp3, musicxml, svg.",
            show_default="png,npz,mid",
        ),
    ] = None,
    binarize: BinarizeOption = "ht",
    drafts: DraftsOption = None,
    jobs: JobsOption = 1,
) -> None:
    """Generate digits or music.

    png is one picture. npz holds digits as uint8 (N, 28, 28), key samples, or music as booleans
    (N, tracks, bars, steps, pitches), keys rolls and onsets, with a JSON description, key meta. mid, wav, flac, ogg and
    mp3 are one file per phrase, and one with all of them. musicxml (score) and svg (its picture) are one file per
    phrase.

    A sample depends only on the seed and its number: -n 1 --first 7 makes phrase-0007 again.

    With more --bars than a phrase, a composer sees the last half of each phrase when it composes the next; the phrases
    of other networks follow a path through latent space.
    """
    # Check the names of formats before the run is opened.
    formats = music_files.parse_formats(format_, sorted({name for known in _FORMATS.values() for name in known}))

    from bgmusic.files import require_writable
    from bgmusic.training.lookup import find_run
    from bgmusic.training.memory import keep_freed_memory
    from bgmusic.training.weights import kind_of

    folder = find_run(run)
    kind = kind_of(folder)
    if kind not in _FORMATS:
        raise UserError(f"{run} is a run of {kind}: bgmusic plan makes them")
    formats = formats or [name for name in music_files.DEFAULT if name in _FORMATS[kind]]
    music_files.check_formats(formats, _FORMATS[kind])
    if kind == "digits" and (ending or not (bars is bpm is drafts is None)):
        raise UserError(f"--bars, --ending, --bpm and --drafts are for music: {run} is a run of digits")
    music_files.require_libraries(formats)
    keep_freed_memory()
    require_writable(out, folder=True)
    if kind == "digits":
        _digits(folder, number or _NUMBER[kind], seed, first, out, formats, binarize)
    else:
        _music(folder, number, bars, ending, bpm, drafts, seed, first, jobs, out, formats, binarize, str(run))


def _digits(run: Path, number: int, seed: int, first: int, out: Path, formats: list[str], binarize: str) -> None:
    from bgmusic.digits.pictures import save_grid
    from bgmusic.digits.samples import load_generator, sample
    from bgmusic.files import write_npz

    _, generator = load_generator(run)
    with progress_bar("Drawing", number) as progress:
        images = sample(generator, number, seed, binarize, progress=progress, first=first)
    out.mkdir(parents=True, exist_ok=True)
    if "npz" in formats:
        write_npz(out / "samples.npz", {"samples": images})
        typer.echo(f"{count_of(len(images), 'sample')}: {out / 'samples.npz'}")
    if "png" in formats:
        shown = images[:1024]  # image viewers struggle with larger sheets
        save_grid(out / "samples.png", shown, columns=32 if len(shown) > 256 else 16)
        typer.echo(f"Picture of {len(shown)}: {out / 'samples.png'}")


def _music(
    run: Path,
    number: int | None,
    bars: int | None,
    ending: bool,
    bpm: float | None,
    drafts: int | None,
    seed: int,
    first: int,
    jobs: int,
    out: Path,
    formats: list[str],
    binarize: str,
    named: str,
) -> None:
    from bgmusic.music.composing.generate import phrases, to_rolls
    from bgmusic.music.composing.load import load_generator
    from bgmusic.music.composing.pieces import check_length, phrases_needed, pieces
    from bgmusic.music.midi.song import DEFAULT_BPM

    _, shape, generator = load_generator(run, drafts)
    length = bars or shape.bars
    number = number or (_NUMBER["music"] if length <= shape.bars else 1)
    check_length(shape, length, number)
    music_files.require_short(formats, length * shape.steps / shape.resolution * 60 / (bpm or shape.bpm or DEFAULT_BPM))
    needed = number * (1 if bars is None else phrases_needed(generator, shape, bars))
    with progress_bar("Composing", needed) as progress:
        if bars is None and not ending:
            channels = phrases(generator, shape, number, seed, binarize, progress, first=first, jobs=jobs)
        else:
            channels = pieces(
                generator, shape, length, number, seed, binarize, progress, first=first, jobs=jobs, ending=ending
            )
    name = "phrase" if length <= shape.bars else "piece"
    about = {"run": named, "seed": seed, "binarize": binarize, "first": first}
    if drafts is not None:
        about["drafts"] = drafts
    music_files.write_music(to_rolls(channels, shape, bpm), out, formats, name, about=about, first=first)
