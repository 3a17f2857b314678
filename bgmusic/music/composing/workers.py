"""Compose in several processes. The result does not depend on their number."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from bgmusic.errors import UserError
from bgmusic.gan.generate import Progress, device_of
from bgmusic.training.memory import keep_freed_memory
from bgmusic.training.protocols import SampleNetwork

_POLL = 0.1  # seconds between reports of progress
_PARTS = 4  # parts of the work for each process, so that all end at about the same time

Result = TypeVar("Result")
Task = Callable[[SampleNetwork, int, int, Progress], Result]
"""Compose samples: the network, the number of the first one, their count, and a progress callback."""


def in_parts(
    network: SampleNetwork, task: Task[Result], first: int, count: int, size: int, jobs: int, progress: Progress | None
) -> list[Result]:
    """Run a task on the samples ``first`` to ``first + count - 1``, in parts.

    Args:
        network: on the CPU, for several jobs.
        task: function; picklable, as its results are.
        first: number of the first sample.
        count: number of samples.
        size: samples of a batch; parts begin at multiples of it.
        jobs: number of processes; 1 runs the task in this process.
        progress: receives what the task reports.

    Returns:
        The results of all parts, in order.

    Raises:
        UserError: jobs is below 1, the network is on another device, or a process ended.

    """
    if jobs < 1:
        raise UserError(f"jobs is a whole number of 1 or more, not {jobs}")
    parts = _divide(first, count, size, jobs)
    if jobs == 1 or len(parts) < 2:
        return [task(network, first, count, progress or (lambda done: None))]
    if device_of(network).type != "cpu":
        raise UserError(f"several jobs need a network on the CPU, not on {device_of(network)}")
    return _in_processes(network, task, parts, jobs, progress or (lambda done: None))


def _divide(first: int, count: int, size: int, jobs: int) -> list[tuple[int, int]]:
    """Return the first number and the count of each part."""
    begin, stop = first - first % size, first + count
    length = size * max(1, -(-(stop - begin) // size) // (_PARTS * jobs))
    edges = [first, *range(begin + length, stop, length), stop]
    return [(low, high - low) for low, high in itertools.pairwise(edges)]


def _in_processes(
    network: SampleNetwork, task: Task[Result], parts: list[tuple[int, int]], jobs: int, progress: Progress
) -> list[Result]:
    context = multiprocessing.get_context("spawn")  # torch's threads don't survive a fork
    done, shown = context.Value("q", 0), 0
    threads = max(1, torch.get_num_threads() // jobs)
    arguments = os.getpid(), pickle.dumps((network, task)), threads, done
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(jobs, len(parts)), context, _prepare, arguments) as pool:
        try:
            with _without_interrupts():
                futures = [pool.submit(_compose, *part) for part in parts]
            waiting = set(futures)
            while waiting:
                finished, waiting = wait(waiting, _POLL, FIRST_EXCEPTION)
                for future in finished:
                    future.result()
                now = done.value
                if now > shown:
                    progress(now - shown)
                shown = now
            return [future.result() for future in futures]
        except BrokenProcessPool:
            raise UserError(
                "a worker process ended: it ran out of memory, or the program that called it does not start under "
                '`if __name__ == "__main__":`, as several jobs need; try one job'
            ) from None
        except BaseException:  # such as Ctrl-C
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that do not see Ctrl-C: it is this process that ends them.

    They inherit the blocked signal. One that arrives meanwhile is not lost: this process receives it at the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_worker: list[Any] = []  # network, task and counter of this process, if it is a worker


def _prepare(parent: int, pickled: bytes, threads: int, done: Any) -> None:
    """Set up a worker, which ends when its parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    torch.set_num_threads(threads)
    keep_freed_memory()
    _worker[:] = *pickle.loads(pickled), done  # noqa: S301 (from the parent)


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL)
    os._exit(1)


def _compose(first: int, count: int) -> Any:
    network, task, done = _worker

    def progress(number: int) -> None:
        with done.get_lock():
            done.value += number

    return task(network, first, count, progress)
