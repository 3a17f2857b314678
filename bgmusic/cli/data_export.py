"""``bgmusic data export``: a phrase of a corpus as a MIDI file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli.text import one_line
from bgmusic.errors import UserError


def export(
    corpus: Annotated[str, typer.Argument(help="A folder, or an embedded corpus's name.", metavar="DIR")],
    index: Annotated[int, typer.Option(help="Number of the phrase, from 0.")],
    out: Annotated[Path, typer.Option(help="The MIDI file to write.", metavar="FILE.mid")],
) -> None:
    """Write a phrase as a MIDI file, in its piece's tempo."""
    if out.suffix.lower() not in (".mid", ".midi"):
        raise UserError(f"--out is a .mid file, not {out.name!r}; bgmusic render makes sound of it")

    from bgmusic.music.corpora.corpus import open_corpus
    from bgmusic.music.midi.read import write_midi

    opened = open_corpus(corpus)
    phrase = opened.info(index)
    write_midi(opened.roll(index), out, phrase.bpm)
    told = f"{out}: bars {phrase.bar + 1} to {phrase.bar + opened.settings.bars} of {phrase.source}"
    typer.echo(one_line(told))
