"""Run several trainings at once, each in its own process with one thread."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import FrameType

from bgmusic.training.callbacks import Interruption
from bgmusic.training.threads import one_thread

INTERRUPTED = "interrupted"
_POLL = 0.2  # seconds between checks for an interruption


def run_named(trainings: Mapping[str, Callable[[], str]], jobs: int) -> Iterator[tuple[str, str]]:
    """Run trainings in ``jobs`` processes; yield each name and its outcome, in the order in which they end.

    After Ctrl-C, SIGTERM, or a training that ends as ``interrupted``, running trainings save and end, and no other
    starts. If none was running at that moment, the next one is reported as ``interrupted``.

    Args:
        trainings: functions by name, the longest first; picklable with their arguments.
        jobs: number of processes; 1 runs them in this process.

    Raises:
        KeyboardInterrupt: a second Ctrl-C, which stops at once.

    """
    if jobs > 1:
        yield from _run_together(trainings, jobs)
        return
    for name, training in trainings.items():
        how = _one(training)
        yield name, how
        if how == INTERRUPTED:
            return


def _run_together(trainings: Mapping[str, Callable[[], str]], jobs: int) -> Iterator[tuple[str, str]]:
    queue, running = list(trainings.items()), dict[Future[str], str]()
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")  # torch's threads don't survive a fork
    with Interruption(quiet=False) as interrupted, ProcessPoolExecutor(jobs, context, _prepare, (os.getpid(),)) as pool:
        stopping = ended_early = False
        try:
            while running or (queue and not stopping):
                while queue and len(running) < jobs and not stopping:
                    name, training = queue.pop(0)
                    running[pool.submit(_one, training)] = name
                for future in wait(running, _POLL, FIRST_COMPLETED).done:
                    name, how = running.pop(future), _result(future, stopping)
                    ended_early |= how == INTERRUPTED
                    yield name, how
                if (interrupted() or ended_early) and not stopping:
                    stopping = True
                    _terminate(others)
            if queue and not ended_early:
                yield queue[0][0], INTERRUPTED  # interrupted while no training was running
        except BaseException:
            _terminate(others)  # an error or a second Ctrl-C: a training that was terminated before stops at once
            raise


def _result(future: Future[str], stopping: bool) -> str:
    try:
        return future.result()
    except BrokenProcessPool:
        if stopping:  # the process was terminated before it started
            return INTERRUPTED
        raise


def _terminate(others: set[multiprocessing.process.BaseProcess]) -> None:
    """Send SIGTERM to the processes of this pool, so that they save and end."""
    for process in set(multiprocessing.active_children()) - others:
        process.terminate()


class _SignalHandler:
    """Handle signals in a worker. A training installs its own handler; while idle, remember to start no other."""

    busy = stopped = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        if self.busy:  # the training has not installed its handler yet
            raise KeyboardInterrupt


_handler = _SignalHandler()


def _prepare(parent: int) -> None:
    """Set up a worker: it gets Ctrl-C from its parent only, and ends when the parent ends."""
    os.setpgrp()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _handler)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL)
    os.kill(os.getpid(), signal.SIGTERM)
    while _handler.busy:
        time.sleep(_POLL)
    os._exit(1)  # the pool's own loop would wait for work forever


def _one(training: Callable[[], str]) -> str:
    _handler.busy = True
    try:
        with one_thread():
            return INTERRUPTED if _handler.stopped else training()
    except KeyboardInterrupt:
        if multiprocessing.parent_process() is None:
            raise
        return INTERRUPTED
    finally:
        _handler.busy = False
