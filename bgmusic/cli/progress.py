"""A progress bar for long commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_DELAY = 1.0  # seconds; shorter work shows no bar


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar after one second, on a terminal; yield ``advance(n)``."""
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        update(done, total)

    with progress_of_total(what) as update:
        yield advance


@contextmanager
def progress_of_total(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar as :func:`progress_bar` does; yield ``update(done, total)``."""
    import sys

    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=None)
    begun = time.monotonic()

    def update(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if not bar.live.is_started and time.monotonic() - begun > _DELAY:
            bar.start()

    try:
        yield update
    finally:
        bar.stop()
