"""``bgmusic data export``: write a phrase of a corpus as a MIDI file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli.options import BPM
from bgmusic.cli.text import one_line
from bgmusic.errors import UserError


def export(
    corpus: Annotated[str, typer.Argument(help="Folder or name of a corpus (bach, freedoom).", metavar="DIR")],
    index: Annotated[int, typer.Option(help="Index of the phrase, from 0.")],
    out: Annotated[Path, typer.Option(help="MIDI file to write.", metavar="FILE.mid")],
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
    """Write a phrase of a corpus as a MIDI file, in the metre and the tempos of its piece."""
    if out.suffix.lower() not in (".mid", ".midi"):
        raise UserError(f"--out {out.name!r}: give a .mid file; bgmusic render converts it to sound")

    from bgmusic.music.corpora.corpus import open_corpus
    from bgmusic.music.rolls.midi_files import write_midi

    opened = open_corpus(corpus)
    phrase = opened.info(index)
    write_midi(opened.roll(index), out, bpm)
    line = f"{out}: bars {phrase.bar + 1} to {phrase.bar + opened.settings.shape.bars} of {phrase.source}"
    typer.echo(one_line(line))
