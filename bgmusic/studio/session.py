"""The project that a server holds, shared by all tabs: edits, compositions, and news for the tabs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.studio.areas import area
from bgmusic.studio.command import Command, command_of, stem_of
from bgmusic.studio.composing import Composers, Job
from bgmusic.studio.history import History
from bgmusic.studio.notes import no_notes
from bgmusic.studio.project_file import project_bytes, read_project, write_project
from bgmusic.studio.state import State
from bgmusic.studio.unsaved import write_unsaved
from bgmusic.studio.view import view_of

MOST_TABS = 32
_MOST_NEWS = 64  # of a tab that reads slowly, older news are dropped: it asks for the state again


class Session:
    """A project and its listeners. All methods run in the server's event loop.

    Args:
        composers: the composers to choose from.
        project: the project file that is opened and saved, or None.

    Raises:
        UserError: the project file is damaged, or the studio has not its composer.

    """

    def __init__(self, composers: Composers, project: Path | None = None) -> None:
        self.composers, self._path = composers, project
        if project is not None and project.exists():
            self._history = self._opened(project.read_bytes(), str(project))
        else:
            self._history = History(State.new(composers.default, composers.shape(composers.default)))
        self._saved = project_bytes(self._history)
        self._revision = 0
        self._tabs: set[asyncio.Queue[str]] = set()
        self._running: dict[int, float] = {}

    @property
    def state(self) -> State:
        """The present state of the project."""
        return self._history.state

    def view(self) -> dict[str, Any]:
        """Return what a page shows."""
        more = {
            "revision": self._revision,
            "generators": list(self.composers.names),
            "composing": [{"job": job, "done": done} for job, done in self._running.items()],
            "file": self._path.name if self._path else None,
            "stem": stem_of(self.state.title),
            "plans": self.composers.obeys_plans(self.state.generator),
        }
        return view_of(self._history) | more

    def apply(self, edits: list[Any]) -> dict[str, Any]:
        """Apply edits, all or none.

        Raises:
            UserError: an edit does not fit; nothing has changed then, and what can be redone stays.

        """
        history = self._history.copy()
        for edit in edits:
            history.apply(edit)
        self._history = history
        return self._changed()

    def undo(self) -> dict[str, Any]:
        """Undo the last edit; see ``History.undo``."""
        self._history.undo()
        return self._changed()

    def redo(self) -> dict[str, Any]:
        """Redo an edit; see ``History.redo``."""
        self._history.redo()
        return self._changed()

    def new(self, generator: str, bars: int | None) -> dict[str, Any]:
        """Begin a new project.

        Raises:
            UserError: there is no such composer, or the number of bars is out of range.

        """
        self._replace(History(State.new(generator, self.composers.shape(generator), bars)))
        return self._changed()

    def open(self, content: bytes) -> dict[str, Any]:
        """Open a project file, which is untrusted.

        Raises:
            UserError: it is damaged, or of another composer.

        """
        self._replace(self._opened(content, "the file"))
        return self._changed()

    def project(self) -> bytes:
        """Return the project as a file."""
        return project_bytes(self._history)

    def save(self) -> str:
        """Write the project to its file, and return the file's name.

        Raises:
            UserError: the studio was started without one, or it can't be written.

        """
        if self._path is None:
            raise UserError("start the studio with --project FILE to save there, or download the project")
        try:
            write_project(self._history, self._path)
        except OSError as error:
            raise UserError(
                f"not saved: {self._path}: {error.strerror}; mend that and save again, or download the project"
            ) from None
        self._saved = project_bytes(self._history)
        return self._path.name

    def command(self) -> Command:
        """Return how the command line makes the piece; see :func:`bgmusic.studio.command.command_of`."""
        name = self.state.generator
        alone = self.composers.obeys_plans(name) and not self.composers.has_planner(name)
        return command_of(self.state, self.composers.names[name], alone)

    def compose(self, tracks: list[int] | None, beats: tuple[int, int] | None, seed: int | None) -> int:
        """Compose what is free in an area, and return the number of the job; listeners hear of each revision.

        Raises:
            UserError: there is nothing to compose, or too much work waits.

        """
        loop = asyncio.get_running_loop()
        state = self.state
        free = area(state, tracks, beats)
        if seed is None:
            seed = state.composed

        def in_loop(what: Callable[..., None], *values: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(what, *values)

        def report(job: Job, notes: list[list[int]], share: float) -> None:
            in_loop(self._progress, job, notes, share)

        def done(job: Job, edit: dict[str, Any] | Exception | None) -> None:
            in_loop(self._finish, job, edit)

        job = self.composers.start(state, free, seed, report, done)
        self._running[job.number] = 0.0
        kept = [[int(value) for value in row] for row in state.merged(no_notes(), free).tolist()]
        self._tell("started", {"job": job.number, "kept": kept})
        return job.number

    def listen(self) -> asyncio.Queue[str]:
        """Return a queue of news for one tab; :meth:`leave` ends it.

        Raises:
            UserError: there are too many tabs.

        """
        if len(self._tabs) >= MOST_TABS:
            raise UserError(f"more than {MOST_TABS} tabs are open: close some")
        queue: asyncio.Queue[str] = asyncio.Queue(_MOST_NEWS)
        self._tabs.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[str]) -> None:
        """Forget a tab."""
        self._tabs.discard(queue)

    def close(self) -> Path | None:
        """End all compositions; if something was not saved, write the project to a new file, and return where.

        Raises:
            OSError: the file can't be written.

        """
        self.composers.close()
        if project_bytes(self._history) == self._saved:
            return None
        return write_unsaved(self._history, self._path)

    def _opened(self, content: bytes, source: str) -> History:
        history = read_project(content, source)
        name = history.state.generator
        if name not in self.composers.names:
            command = shlex.join(["bgmusic", "studio", *self.composers.names.values(), name[:100]])
            raise UserError(
                f"{source}: this studio has no composer {name[:100]!r}; add it, or its run folder: {command}"
            )
        if self.composers.shape(name) != history.state.shape:
            raise UserError(f"{source}: its composer {name!r} has phrases of another shape here")
        return history

    def _replace(self, history: History) -> None:
        self.composers.cancel()
        self._history = history
        self._saved = project_bytes(history)  # nothing to lose: it is new, or a file

    def _changed(self) -> dict[str, Any]:
        self._revision += 1
        self._tell("changed", {"revision": self._revision})
        return self.view()

    def _progress(self, job: Job, notes: list[list[int]], share: float) -> None:
        if job.number in self._running and not job.cancelled.is_set():
            self._running[job.number] = share
            self._tell("progress", {"job": job.number, "done": share, "notes": notes})

    def _finish(self, job: Job, edit: dict[str, Any] | Exception | None) -> None:
        self._running.pop(job.number, None)
        reason = None
        if isinstance(edit, dict):
            if not _same_base(job.state, self.state):
                del edit["seed"]  # it gives other notes now
            try:
                self._history.apply(edit)
                self._revision += 1
            except UserError as error:  # the piece has another length by now
                reason = str(error)
        elif edit is not None:
            reason = str(edit) if isinstance(edit, UserError) else f"composing failed: {type(edit).__name__}"
        cancelled = edit is None
        self._tell("done", {"job": job.number, "cancelled": cancelled, "error": reason, "revision": self._revision})

    def _tell(self, event: str, data: dict[str, Any]) -> None:
        news = f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
        for queue in self._tabs:
            if queue.full():  # a slow tab: it hears the latest
                queue.get_nowait()
            queue.put_nowait(news)


def _same_base(one: State, other: State) -> bool:
    """Whether a composition is given the same in two states."""
    return (
        np.array_equal(one.notes, other.notes)
        and np.array_equal(one.locks, other.locks)
        and one.decided == other.decided
    )
