"""``bgmusic data list``: list the embedded corpora, and those in given folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli.text import one_line
from bgmusic.errors import UserError
from bgmusic.plurals import count_of


def list_corpora(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders to search for more corpora.", metavar="[FOLDER...]")
    ] = None,
) -> None:
    """List the embedded corpora, and the corpora in the given folders."""
    from bgmusic.music.corpora.corpus import embedded_corpora, find_corpora, open_corpus

    for folder in folders or []:
        if not folder.is_dir():
            raise UserError(f"no folder {str(folder)!r}")
    corpora = embedded_corpora() | {str(path): path for folder in folders or [] for path in find_corpora(folder)}
    for name, path in corpora.items():
        try:
            corpus = open_corpus(path)
        except UserError as error:
            typer.echo(one_line(f"{name}: {error}"))
            continue
        settings = corpus.settings
        size = f"{count_of(len(corpus), 'phrase')} of {count_of(settings.shape.bars, 'bar')}"
        steps = count_of(corpus.resolution, "step")
        line = f"{name}: {size}, {corpus.track_set.name}, {steps} per beat, encoding {corpus.encoding}"
        typer.echo(one_line(line))
