"""Run commands and Python code in child processes, forked from a server that has imported the heavy modules."""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PATIENCE = 900  # seconds, on a machine that may be busy
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "pytest",  # the main module of the parent, which every child imports
        "torch._dynamo",  # imported by the first optimizer
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
class Result:
    """Exit code of a command (negative: killed by that signal) and its output."""

    code: int
    out: str
    err: str

    def is_user_error(self) -> bool:
        """Return whether the command ended as it must for a mistake of the user: exit code 2 and one line."""
        return self.code == 2 and self.err.startswith("bgmusic: error: ") and self.err.count("\n") == 1


def _child(
    function: Callable[..., object],
    args: tuple[Any, ...],
    folder: str,
    out: str,
    err: str,
    around: AbstractContextManager[Any] | None,
) -> None:
    os.chdir(folder)
    for number, path in ((1, out), (2, err)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    with around or nullcontext():
        function(*args)


def _main(args: list[str]) -> None:
    from bgmusic.cli.main import main

    sys.argv = ["bgmusic", *args]
    main(args)


def _execute(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(text, {"__name__": "__main__"})  # noqa: S102


def command(*args: object, folder: Path, around: AbstractContextManager[Any] | None = None) -> Result:
    """Run ``bgmusic ARGS`` in a folder, inside the context manager ``around``."""
    return _run(_main, [str(arg) for arg in args], folder=folder, around=around)


def python(text: str, folder: Path) -> Result:
    """Run Python code in a folder; warnings are errors."""
    return _run(_execute, text, folder=folder)


def _run(
    function: Callable[..., object], *args: Any, folder: Path, around: AbstractContextManager[Any] | None = None
) -> Result:
    out, err = folder / ".stdout", folder / ".stderr"
    process = _CONTEXT.Process(target=_child, args=(function, args, str(folder), str(out), str(err), around))
    process.start()
    process.join(_PATIENCE)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"still running: {args}")
    return Result(process.exitcode, out.read_text(), err.read_text())


def call(function: Callable[..., object], *args: object) -> int:
    """Call a function in a child process; return its exit code."""
    process = _CONTEXT.Process(target=function, args=args)
    process.start()
    process.join(_PATIENCE)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"still running: {function}")
    return process.exitcode
