"""Several trainings at once, each in a process and a thread of its own."""

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

import torch

from bgmusic.training.callbacks import Interruption

INTERRUPTED = "interrupted"
_PATIENCE = 0.2  # seconds until an interruption is noticed


def run_named(trainings: Mapping[str, Callable[[], str]], jobs: int) -> Iterator[tuple[str, str]]:
    """Run trainings in processes of one thread each; names and how they ended, in the order in which they end.

    Ctrl-C and SIGTERM, and a training that ends as ``interrupted``, let those that run save and end, and none begin.
    If all that ran had just finished, the next one is told as ``interrupted``.

    Args:
        trainings: what to call, by name, the longest first; picklable, and so is what they are given.
        jobs: processes. A single one is this.

    Raises:
        KeyboardInterrupt: a second Ctrl-C; it stops at once.

    """
    if jobs > 1:
        yield from _run_together(trainings, jobs)
        return
    threads = torch.get_num_threads()
    try:
        for name, training in trainings.items():
            how = _one(training)
            yield name, how
            if how == INTERRUPTED:
                return
    finally:
        torch.set_num_threads(threads)


def _run_together(trainings: Mapping[str, Callable[[], str]], jobs: int) -> Iterator[tuple[str, str]]:
    queue, running = list(trainings.items()), dict[Future[str], str]()
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")  # torch's threads don't survive a fork
    with Interruption(quiet=False) as interrupted, ProcessPoolExecutor(jobs, context, _prepare, (os.getpid(),)) as pool:
        told = said = False
        try:
            while running or (queue and not told):
                while queue and len(running) < jobs and not told:
                    name, training = queue.pop(0)
                    running[pool.submit(_one, training)] = name
                for future in wait(running, _PATIENCE, FIRST_COMPLETED).done:
                    name, how = running.pop(future), _result(future, told)
                    said |= how == INTERRUPTED
                    yield name, how
                if (interrupted() or said) and not told:
                    told = True
                    _tell(others)
            if queue and not said:
                yield queue[0][0], INTERRUPTED  # before it began: all that ran had just finished
        except BaseException:
            _tell(others)  # an error, or a second Ctrl-C: to a training that was told before, it means at once
            raise


def _result(future: Future[str], told: bool) -> str:
    try:
        return future.result()
    except BrokenProcessPool:
        if told:  # a process that was told to end before it had begun
            return INTERRUPTED
        raise


def _tell(others: set[multiprocessing.process.BaseProcess]) -> None:
    """Ask the processes of this pool to save and end."""
    for process in set(multiprocessing.active_children()) - others:
        process.terminate()


class _Manners:
    """What a process of the pool does when it is told to end: nothing while idle; a training hears it itself."""

    busy = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.busy:  # a training that has not come as far as to listen
            raise KeyboardInterrupt


_manners = _Manners()


def _prepare(parent: int) -> None:
    """Make this process one of the pool: it hears Ctrl-C from its parent alone, and does not outlive it."""
    os.setpgrp()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _manners)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PATIENCE)
    os.kill(os.getpid(), signal.SIGTERM)
    while _manners.busy:
        time.sleep(_PATIENCE)
    os._exit(1)  # the pool's own loop would wait for work for ever


def _one(training: Callable[[], str]) -> str:
    torch.set_num_threads(1)
    _manners.busy = True
    try:
        return training()
    except KeyboardInterrupt:
        if multiprocessing.parent_process() is None:
            raise
        return INTERRUPTED
    finally:
        _manners.busy = False
