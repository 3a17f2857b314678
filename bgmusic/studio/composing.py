"""Compose parts of a project in a thread of its own, one after the other, and report each revision."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.plans.settle import settle
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.studio import notes as tables
from bgmusic.studio.areas import pack
from bgmusic.studio.state import State, Units

if TYPE_CHECKING:
    from bgmusic.music.composing.composer import Composer
    from bgmusic.music.composing.filling import Watch
    from bgmusic.training.protocols import SampleNetwork

_PERIOD = 0.12  # seconds from one report to the next, so that composing has the time
MOST_WAITING = 4
"""Compositions that may wait or run."""


@dataclass
class Job:
    """One composition.

    Attributes:
        number: counts from 1.
        state: the project when it was asked for.
        free: units to compose, boolean ``(tracks, bars * beats)``.
        seed: seed of the noise.
        report: called in the composing thread with the notes of each revision and the share that is done.
        cancelled: set to stop it.

    """

    number: int
    state: State
    free: Units
    seed: int
    report: Callable[[Job, list[list[int]], float], None]
    cancelled: threading.Event = field(default_factory=threading.Event)


class Composers:
    """The composers that a studio was started with, each loaded when it is needed, and the thread that runs them.

    Args:
        names: name of each, for the page, and the path or name to load it by; the first is the default.

    Raises:
        UserError: there are none.

    """

    def __init__(self, names: Mapping[str, str]) -> None:
        if not names:
            raise UserError("the studio needs a composer")
        self.names = dict(names)
        self._loaded: dict[str, Composer] = {}
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "composing")
        self._waiting: list[Job] = []
        self._count = 0

    @property
    def default(self) -> str:
        """The name of the first composer."""
        return next(iter(self.names))

    def load(self, name: str) -> Composer:
        """Load a composer, or return it if it is loaded.

        Raises:
            UserError: the studio has no composer of that name, it can't be loaded, or it can't fill in parts.

        """
        if name not in self.names:
            raise UserError(f"this studio has no composer {name[:100]!r}; it has {', '.join(self.names)}")
        with self._lock:
            if name not in self._loaded:
                from bgmusic.api import load

                self._loaded[name] = load(self.names[name])
            return self._loaded[name]

    def shape(self, name: str) -> RollShape:
        """Return the shape of a composer's phrases; see :meth:`load`."""
        return self.load(name).shape

    def obeys_plans(self, name: str) -> bool:
        """Return whether a composer takes chords and activity as a plan; see :meth:`load`."""
        return bool(getattr(self.load(name).network, "plans", False))

    def has_planner(self, name: str) -> bool:
        """Return whether a planner is beside a composer; see :meth:`load`."""
        return self.load(name).planner is not None

    def start(
        self,
        state: State,
        free: Units,
        seed: int,
        report: Callable[[Job, list[list[int]], float], None],
        done: Callable[[Job, dict[str, Any] | Exception | None], None],
    ) -> Job:
        """Compose in the background.

        Args:
            state: the project.
            free: units to compose; kept ones stay as they are.
            seed: seed of the noise.
            report: see ``Job``; called in the composing thread.
            done: receives the edit that takes over the notes, None if it was cancelled, or the error; called in the
                composing thread.

        Raises:
            UserError: everything is locked, or too many compositions wait.

        """
        free = free & ~state.kept
        if not free.any():
            raise UserError("everything there is locked or yours: unlock something to compose")
        if len(self._waiting) >= MOST_WAITING:
            raise Busy("compositions are still running: wait, or cancel them")
        self._count += 1
        job = Job(self._count, state, free, seed, report)
        self._waiting.append(job)

        def finish(future: Future[dict[str, Any] | None]) -> None:
            self._waiting.remove(job)
            error = None if future.cancelled() else future.exception()
            if isinstance(error, Exception):
                done(job, error)
            else:
                done(job, None if future.cancelled() or error else future.result())

        self._thread.submit(self._compose, job).add_done_callback(finish)
        return job

    def cancel(self) -> None:
        """Cancel all compositions."""
        for job in self._waiting:
            job.cancelled.set()

    def close(self) -> None:
        """Cancel all compositions, and end the thread."""
        self.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _compose(self, job: Job) -> dict[str, Any] | None:
        if job.cancelled.is_set():
            return None
        state, reported = job.state, 0.0

        def watch(channels: tables.Bits, share: float) -> bool:
            nonlocal reported
            now = time.monotonic()
            if not job.cancelled.is_set() and now - reported >= _PERIOD:
                reported = now
                job.report(job, composed_rows(state, channels, job.free), share)
            return not job.cancelled.is_set()

        edit = take_edit(self.load(state.generator).network, state, job.free, job.seed, watch=watch)
        return None if job.cancelled.is_set() else edit


class Busy(UserError):
    """Too much work waits."""


def take_edit(
    network: SampleNetwork, state: State, free: Units, seed: int, number: int = 0, watch: Watch | None = None
) -> dict[str, Any] | None:
    """Compose free units, and return the edit that takes over the notes; None if it was cancelled.

    Args:
        network: the composer's, in evaluation mode.
        state: the project.
        free: units to compose, boolean ``(tracks, bars * beats)``; none of them is kept.
        seed: seed of the noise.
        number: number of the piece: each has other noise.
        watch: called after each revision, see :func:`bgmusic.music.composing.filling.fill`.

    Raises:
        UserError: the network cannot fill in parts, or the decisions contradict each other.

    """
    from bgmusic.music.composing.filling import Wanted, fill

    given = state.with_notes(state.merged(tables.no_notes(), free)).roll().channels()
    channels = fill(network, state.shape, Wanted(given, free, settle(state.decided), seed, number), watch)
    if channels is None:
        return None
    return {"do": "take", "notes": composed_rows(state, channels, free), "free": pack(free), "seed": seed}


def composed_rows(state: State, channels: tables.Bits, free: Units) -> list[list[int]]:
    """Return the notes of composed channels that lie in free units, as rows of track, onset, duration and pitch.

    A note that goes on from one that is kept begins anew at its unit; one that reaches into a kept unit ends before.
    """
    shape = state.shape
    planes = channels.reshape(shape.planes, len(shape.track_set), state.bars, shape.steps, shape.pitches).copy()
    planes &= np.repeat(free, shape.unit, axis=1).reshape(len(shape.track_set), state.bars, shape.steps)[..., None]
    roll = Roll(shape.track_set, shape.resolution, planes[0], planes[1] if shape.planes > 1 else None)
    return [list(row) for row in roll.notes().tolist()]
