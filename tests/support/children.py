"""The command line in child processes that start at once, forked from a server that has imported what they need."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "pytest",  # the parent's main module, which every child imports
        "torch._dynamo",  # which the first optimiser imports
        "bgmusic.cli.main",
        "bgmusic.digits.train",
        "bgmusic.digits.scores",
        "bgmusic.digits.features",
        "PIL.PngImagePlugin",
        "tensorboard.compat.proto.event_pb2",
        "tensorboard.compat.proto.summary_pb2",
        "tensorboard.summary.writer.record_writer",
    ]
)


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code (negative: killed by that signal), and what it printed."""

    code: int
    out: str
    err: str

    def is_mistake(self) -> bool:
        """Whether it ended as a user's mistake shall: exit code 2 and one clear line."""
        return self.code == 2 and self.err.startswith("bgmusic: error: ") and self.err.count("\n") == 1


def _child(args: list[str], folder: str, out: str, err: str, around: AbstractContextManager[Any] | None) -> None:
    from bgmusic.cli.main import main

    os.chdir(folder)
    for number, path in ((1, out), (2, err)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.argv = ["bgmusic", *args]
    with around or nullcontext():
        main(args)


def command(*args: object, folder: Path, around: AbstractContextManager[Any] | None = None) -> Ended:
    """Run ``bgmusic ARGS`` in a folder; ``around`` is entered in the child, around the command."""
    out, err = folder / ".stdout", folder / ".stderr"
    process = _CONTEXT.Process(
        target=_child, args=([str(arg) for arg in args], str(folder), str(out), str(err), around)
    )
    process.start()
    process.join(300)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"still running: {args}")
    return Ended(process.exitcode, out.read_text(), err.read_text())


def call(function: Callable[..., object], *args: object) -> int:
    """Call a function in a child; returns its exit code."""
    process = _CONTEXT.Process(target=function, args=args)
    process.start()
    process.join(300)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"still running: {function}")
    return process.exitcode
