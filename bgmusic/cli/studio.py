"""``bgmusic studio``: compose in the browser."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from bgmusic.errors import UserError


def studio(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Run folders or shipped generators to compose with.",
            show_default="all shipped generators",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="P", help="Port of the page; 0 for any free one.")
    ] = 8765,
    project: Annotated[
        Path | None,
        typer.Option(metavar="FILE.bgstudio", help="Project file to open, if it exists, and to save to."),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 or :: lets other machines in.")
    ] = "127.0.0.1",
) -> None:
    """Compose in the browser by flipping decisions.

    The page is served on this machine only, and needs no network. Ctrl-C ends it.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise UserError("the studio needs starlette and uvicorn: pip install 'bgmusic[studio]'")

    from bgmusic.files import require_writable
    from bgmusic.studio.composing import Composers
    from bgmusic.studio.serving import serve
    from bgmusic.studio.unsaved import unsaved_projects
    from bgmusic.training.lookup import shipped_generators
    from bgmusic.training.memory import keep_freed_memory

    if project is not None:
        require_writable(project)
        project.parent.mkdir(parents=True, exist_ok=True)
    names = {Path(run).name: run for run in runs} if runs else {name: name for name in shipped_generators()}
    if runs and len(names) < len(set(runs)):
        names = {run: run for run in runs}
    keep_freed_memory()

    def ready(addresses: list[str]) -> None:
        if unsaved := [str(path) for path in unsaved_projects(project)]:
            typer.echo(f"Not saved when the studio ended: {', '.join(unsaved)}. Open it: --project {unsaved[-1]}")
        typer.echo(f"The studio is at {addresses[0]}")
        for address in addresses[1:]:
            typer.echo(f"From other machines: {address}")
        typer.echo("Ctrl-C ends it.")

    unsaved = serve(Composers(names), port, project, browser, ready, host)
    if unsaved is not None:
        typer.echo(f"The project was not saved. It is in {unsaved}; open it: --project {unsaved}")
