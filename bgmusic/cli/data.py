"""``bgmusic data``: corpora. Its commands are one file each, registered here."""

from __future__ import annotations

import typer

from bgmusic.cli import data_build, data_check, data_export, data_info, data_list

app = typer.Typer(name="data", help="MIDI in, corpora, MIDI out.", no_args_is_help=True)
app.command("build")(data_build.build)
app.command("list")(data_list.list_corpora)
app.command("info")(data_info.info)
app.command("export")(data_export.export)
app.command("check")(data_check.check)
