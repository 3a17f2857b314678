"""``bgmusic interpolate``: compose phrases between two others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli import music_files
from bgmusic.cli.options import BinarizeOption, BpmOption, JobsOption
from bgmusic.cli.progress import progress_bar
from bgmusic.errors import UserError

_MOST = 2**63 - 1


def interpolate(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Run folder, or a shipped generator: bach, freedoom, pop."),
    ],
    start: Annotated[int, typer.Option("--from", metavar="SEED", min=0, max=_MOST, help="Seed of the first phrase.")],
    end: Annotated[int, typer.Option("--to", metavar="SEED", min=0, max=_MOST, help="Seed of the last phrase.")],
    steps: Annotated[
        int, typer.Option(metavar="K", min=2, max=1024, help="Number of phrases, both ends included.")
    ] = 9,
    bpm: BpmOption = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.")] = Path("interpolation"),
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Comma-separated: mid, png, npz, wav, flac, ogg, mp3, musicxml, svg.",
            show_default="mid,png,npz",
        ),
    ] = None,
    binarize: BinarizeOption = "ht",
    jobs: JobsOption = 1,
) -> None:
    """Interpolate between the phrases of two seeds in equal steps.

    In each step, a composer copies more beats of the last phrase and revises the others. Other networks follow the
    great circle between the noise vectors of the two seeds. The first phrase is that of bgmusic generate RUN -n 1
    --seed SEED, the last one that of the other seed. Each phrase of a composer depends on the one before, so --jobs
    speeds up other networks only. Writes step-0000.mid and so on, and all.mid.
    """
    formats = music_files.parse_formats(format_) or list(music_files.DEFAULT)

    from bgmusic.files import require_writable
    from bgmusic.music.composing.generate import to_rolls
    from bgmusic.music.composing.interpolation import interpolate as compose
    from bgmusic.music.composing.load import load_generator
    from bgmusic.training.lookup import find_run
    from bgmusic.training.memory import keep_freed_memory
    from bgmusic.training.weights import kind_of

    folder = find_run(run)
    if kind_of(folder) != "music":
        raise UserError(f"{run} is a run of {kind_of(folder)}: interpolate is for music")
    music_files.require_libraries(formats)
    keep_freed_memory()
    require_writable(out, folder=True)
    _, shape, generator = load_generator(folder)
    with progress_bar("Composing", steps) as progress:
        channels = compose(generator, shape, (start, end), steps, binarize, progress, jobs=jobs)
    about = {"run": str(run), "from": start, "to": end, "binarize": binarize}
    music_files.write_music(to_rolls(channels, shape, bpm), out, formats, "step", about=about)
