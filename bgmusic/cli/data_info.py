"""``bgmusic data info``: what is in a corpus."""

from __future__ import annotations

from typing import Annotated

import typer

from bgmusic.cli.text import one_line


def info(corpus: Annotated[str, typer.Argument(help="A folder, or an embedded corpus's name.", metavar="DIR")]) -> None:
    """Say what a corpus holds, how it was split, what was lost and left out."""
    from bgmusic.music.corpora.corpus import open_corpus

    for line in open_corpus(corpus).describe():
        typer.echo(one_line(line))
