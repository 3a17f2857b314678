"""``bgmusic report``: write an HTML report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli.options import BinarizeOption
from bgmusic.cli.progress import progress_bar
from bgmusic.errors import UserError

_NUMBER = {"digits": 10_000, "music": 500}


def report(
    source: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or a shipped generator.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="HTML file to write.")] = Path("report.html"),
    against: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="For music: corpus to compare with (bach, freedoom, DIR).",
            show_default="the corpus that the run was trained on",
        ),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For music: also write the pictures as files.")
    ] = None,
    number: Annotated[
        int | None,
        typer.Option(
            "-n", min=10, max=100_000, help="Number of samples to evaluate.", show_default="10000 digits, 500 phrases"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the samples and of statistical tests.")] = 0,
    binarize: BinarizeOption = "ht",
) -> None:
    """Write a report of a run: one HTML file with pictures and audio that works offline.

    It shows samples (phrases with a play button), training curves, scores beside the floor, for music the nearest
    training phrases, and the run's config.
    """
    import shlex
    import sys

    from bgmusic.files import require_writable, write_text
    from bgmusic.training.lookup import find_run
    from bgmusic.training.memory import keep_freed_memory
    from bgmusic.training.weights import kind_of

    keep_freed_memory()
    run = find_run(source)
    require_writable(out)
    kind, command = kind_of(run), shlex.join(["bgmusic", *sys.argv[1:]])
    if kind not in _NUMBER:
        raise UserError(f"{run} is a run of {kind}: reports are for music and digits")
    number = number or _NUMBER[kind]
    if kind == "digits":
        from bgmusic.digits import report as digits

        for option, given in (("--against", against), ("--figures", figures)):
            if given is not None:
                raise UserError(f"{option} is for music: {run} is a run of digits")
        html = digits.make_report(run, number, seed, binarize, command)
    else:
        from bgmusic.music import report as music

        if figures:
            require_writable(figures, folder=True)
            written = music.save_figures(run, figures, against, seed, binarize)
            typer.echo(f"{len(written)} pictures: {figures}")
        with progress_bar("Composing", number) as progress:
            made = music.make_report(run, against, number, seed, binarize, command=command, progress=progress)
        html = made.html
        for line in made.evaluation.verdict() if made.evaluation else []:
            typer.echo(line)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, html)
    typer.echo(f"Report of {len(html) / 1e6:.1f} MB: {out}")
