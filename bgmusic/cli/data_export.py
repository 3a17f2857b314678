"""``bgmusic data export``: write a phrase of a corpus as a MIDI file or a score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli.options import BPM
from bgmusic.cli.text import one_line
from bgmusic.errors import UserError

_SUFFIXES = (".mid", ".midi", ".musicxml", ".svg")


def export(
    corpus: Annotated[str, typer.Argument(help="Folder or name of a corpus (bach, freedoom).", metavar="DIR")],
    index: Annotated[int, typer.Option(help="Index of the phrase, from 0.")],
    out: Annotated[Path, typer.Option(help="File to write: .mid, .musicxml or .svg.", metavar="FILE.mid")],
    bpm: Annotated[
        float | None,
        typer.Option(
            min=BPM[0],
            max=BPM[1],
            help="Tempo in beats (quarter notes) per minute.",
            show_default="the piece's tempos at that place",
        ),
    ] = None,
) -> None:
    """Write a phrase of a corpus as a MIDI file or a score, in the metre and the tempos of its piece."""
    if out.suffix.lower() not in _SUFFIXES:
        raise UserError(
            f"--out {out.name!r}: give a .mid, .musicxml or .svg file; bgmusic render converts MIDI files to sound"
        )

    from bgmusic.music.corpora.corpus import open_corpus

    opened = open_corpus(corpus)
    phrase = opened.info(index)
    roll = opened.roll(index)
    out.parent.mkdir(parents=True, exist_ok=True)
    roll.save(out, bpm=bpm)
    line = f"{out}: bars {phrase.bar + 1} to {phrase.bar + opened.settings.shape.bars} of {phrase.source}"
    typer.echo(one_line(line))
