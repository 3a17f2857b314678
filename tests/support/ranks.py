"""Run one command in several processes that train together, as torchrun would start them."""

from __future__ import annotations

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from children import Result, command


class Rank(AbstractContextManager["Rank"]):
    """Set torchrun's variables for one process, which may die during an update.

    Args:
        number: number of the process.
        size: number of processes.
        port: free port of this machine.
        dies_at: step before whose end the process is killed; None: never.

    """

    def __init__(self, number: int, size: int, port: int, dies_at: int | None = None) -> None:
        names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT")
        self.variables = dict(zip(names, map(str, (number, number, size, port)), strict=True))
        self.dies_at = dies_at

    def __enter__(self) -> Rank:
        from bgmusic.training.loop import Training

        os.environ.update(self.variables, MASTER_ADDR="127.0.0.1")
        step = Training._step

        def disturbed(training: Training, *args: object) -> None:
            if training.steps_done == self.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            step(training, *args)  # type: ignore[arg-type]

        Training._step = disturbed  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_: object) -> None:
        pass


def together(size: int, *args: object, folder: Path, dies_at: dict[int, int] | None = None) -> list[Result]:
    """Run ``bgmusic ARGS`` in ``size`` processes at once, process 0 in ``folder``; return their results.

    Args:
        size: number of processes.
        args: the arguments, with absolute paths.
        folder: an existing folder.
        dies_at: numbers of processes that are killed, and the step at which.

    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(number: int) -> Result:
        place = folder if number == 0 else folder / f"process-{number}"
        place.mkdir(exist_ok=True)
        return command(*args, folder=place, around=Rank(number, size, port, (dies_at or {}).get(number)))

    with ThreadPoolExecutor(size) as threads:
        return list(threads.map(run, range(size)))
