"""``bgmusic data``: corpora. Its commands are one file each, registered here."""

from __future__ import annotations

import typer

from bgmusic.cli import data_check

app = typer.Typer(name="data", help="MIDI in, corpora, MIDI out.", no_args_is_help=True)
app.command("check")(data_check.check)
