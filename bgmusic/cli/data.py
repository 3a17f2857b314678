"""``bgmusic data``: register the commands for corpora, each in a file of its own."""

from __future__ import annotations

import typer

from bgmusic.cli import data_build, data_check, data_export, data_info, data_list, data_tracks

app = typer.Typer(name="data", help="Build, inspect and export corpora of music.", no_args_is_help=True)
app.command("build")(data_build.build)
app.command("tracks")(data_tracks.tracks)
app.command("list")(data_list.list_corpora)
app.command("info")(data_info.info)
app.command("export")(data_export.export)
app.command("check")(data_check.check)
