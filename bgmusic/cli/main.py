"""The ``bgmusic`` command: gathers the commands, and turns errors into one line and exit code 2."""

from __future__ import annotations

import sys
from typing import Any

import typer

import bgmusic
from bgmusic.cli import data, train
from bgmusic.cli.evaluate import evaluate
from bgmusic.cli.generate import generate
from bgmusic.cli.info import info
from bgmusic.errors import UserError

app = typer.Typer(
    name="bgmusic",
    help="Networks that make binary decisions, and the music they compose.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(data.app)
app.add_typer(train.app, name="train")
app.command()(generate)
app.command()(evaluate)
app.command()(info)


def _version(value: bool) -> None:
    if value:
        typer.echo(bgmusic.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    pass


def _fail(message: str) -> None:
    line = " ".join(message.split())
    sys.stderr.write(f"bgmusic: error: {line}\n")
    sys.exit(2)


def main(args: list[str] | None = None) -> Any:
    """Run the command line; a user's mistake ends in one line on stderr and exit code 2."""
    try:
        return app(args)
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        where = f" {error.filename!r}" if error.filename else ""
        _fail(f"{error.strerror or error}{where}")


if __name__ == "__main__":
    main()
