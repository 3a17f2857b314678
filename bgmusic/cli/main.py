"""The ``bgmusic`` command: register all commands, and turn errors into one line and exit code 2."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any, NoReturn

import typer

from bgmusic.cli import data, neurons, paper, train
from bgmusic.cli.accompany import accompany
from bgmusic.cli.compose import compose
from bgmusic.cli.evaluate import evaluate
from bgmusic.cli.generate import generate
from bgmusic.cli.info import info
from bgmusic.cli.interpolate import interpolate
from bgmusic.cli.plan import plan
from bgmusic.cli.render import render
from bgmusic.cli.report import report
from bgmusic.cli.studio import studio
from bgmusic.cli.text import one_line
from bgmusic.cli.usage_errors import usage_message
from bgmusic.errors import UserError
from bgmusic.version import __version__

app = typer.Typer(
    name="bgmusic",
    help="Compose music with networks that make binary decisions, and train them.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(data.app)
app.add_typer(train.app, name="train")
app.add_typer(paper.app, name="paper")
app.add_typer(neurons.app, name="neurons")
app.command()(generate)
app.command()(compose)
app.command()(studio)
app.command()(plan)
app.command()(interpolate)
app.command()(accompany)
app.command()(render)
app.command()(evaluate)
app.command()(report)
app.command()(info)


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    pass


# The base class of errors about options and arguments, which typer does not export.
_UsageError: type[Any] = typer.BadParameter.__bases__[0]


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"bgmusic: error: {one_line(' '.join(message.split()))}\n")
    sys.exit(2)


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line. A user's mistake prints one line on stderr and exits with code 2."""
    args = sys.argv[1:] if args is None else args
    if "--out=" in args or ("--out", "") in pairwise(args):  # Path("") is the current folder
        _fail("--out is empty: give a file or a folder, or . for this folder")
    try:
        sys.exit(app(args or ["--help"], prog_name="bgmusic", standalone_mode=False))
    except _UsageError as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else " ".join(["bgmusic", *filter(str.isalpha, args[:1])])
        _fail(f"{usage_message(error)} (see {command} --help)")
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _fail(f"{error.strerror or error}{where}")
    except typer.Abort:
        sys.exit(130)
    except MemoryError:
        _fail("not enough memory")


if __name__ == "__main__":
    main()
