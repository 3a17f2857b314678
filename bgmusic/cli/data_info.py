"""``bgmusic data info``: summarize a corpus."""

from __future__ import annotations

from typing import Annotated

import typer

from bgmusic.cli.text import one_line


def info(
    corpus: Annotated[str, typer.Argument(help="Folder or name of a corpus (bach, freedoom).", metavar="DIR")],
) -> None:
    """Summarize a corpus: phrases, tracks, splits, notes lost and files skipped."""
    from bgmusic.music.corpora.corpus import open_corpus

    for line in open_corpus(corpus).describe():
        typer.echo(one_line(line))
