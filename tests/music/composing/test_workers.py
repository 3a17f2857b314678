"""Test composing in several processes: parts of the work, errors, and signals."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny_runs import BAND, COMPOSER, SATB, make_run, network_of

from bgmusic.errors import UserError
from bgmusic.gan.generate import Progress
from bgmusic.music.composing.workers import in_parts
from bgmusic.training.protocols import SampleNetwork


def ending(generator: SampleNetwork, first: int, count: int, progress: Progress) -> int:
    if first:
        os._exit(1)
    return first


def failing(generator: SampleNetwork, first: int, count: int, progress: Progress) -> int:
    raise UserError(f"no sample {first}")


@pytest.mark.slow
def test_a_worker_that_ends_or_fails_is_an_error_of_one_line() -> None:
    network = network_of(BAND)
    with pytest.raises(UserError, match="worker process ended"):
        in_parts(network, ending, 0, 8, 1, 2, None)
    with pytest.raises(UserError, match="no sample"):
        in_parts(network, failing, 0, 8, 1, 2, None)


def each(generator: SampleNetwork, first: int, count: int, progress: Progress) -> list[int]:
    progress(count)
    return [*range(first, first + count)]


@pytest.mark.parametrize(("first", "count", "size"), [(0, 1, 1), (5, 50, 16)])
def test_parts_hold_each_sample_once(first: int, count: int, size: int) -> None:
    progress: list[int] = []
    parts = in_parts(torch.nn.Linear(1, 1), each, first, count, size, 2, progress.append)  # type: ignore[arg-type]
    assert [*itertools.chain.from_iterable(parts)] == [*range(first, first + count)]
    assert all(part[0] % size == 0 for part in parts[1:])
    assert sum(progress) == count


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds processes by /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes(number: signal.Signals, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", SATB, {**COMPOSER, "stages": 400})
    command = [sys.executable, "-m", "bgmusic", "generate", str(run), "-n", "900", "-j", "2", "--out", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True)
    working = partial(_workers, process.pid)
    _wait(lambda: len(working()) == 2)
    time.sleep(1)  # in the middle of starting, or composing
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode in (130, -number)
    assert b"Traceback" not in error
    _wait(lambda: not working())


def _workers(session: int) -> list[int]:
    """Return the worker processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
            words = (path.parent / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == session and fields[0] != "Z" and b"spawn_main" in words:
            found.append(int(path.parent.name))
    return found


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
