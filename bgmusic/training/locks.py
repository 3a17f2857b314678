"""Run folders and the processes that make them and train in them: one at a time, and what killed ones leave."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
import time
from pathlib import Path

from bgmusic.errors import UserError

_LOCK = ".lock"
_UNBORN = 60  # seconds; a new run's folder is made in milliseconds


class Lock:
    """A folder taken by this process until :meth:`release`, or until the process ends, however it does.

    The system forgets the lock of a process that was killed, so there are no stale ones; the empty file ``.lock``
    that it hangs on stays in the folder and means nothing by itself.

    Raises:
        UserError: another process has it.
        OSError: the folder can't be written.

    """

    def __init__(self, folder: Path) -> None:
        self._file: int | None = None
        self._file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise UserError(f"{folder} is in training by another process; let that end, or stop it first") from None
        except OSError:
            pass  # a file system that knows no locks

    def release(self) -> None:
        """Let others have the folder; nothing happens a second time."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        self.release()


def new_folder(path: Path) -> Path:
    """A hidden folder beside ``path``, to be filled and then renamed to it."""
    return Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))


def sweep_unborn(path: Path) -> None:
    """Remove what :func:`new_folder` made for ``path`` and a killed process never renamed.

    Only folders with nothing in them but the beginnings of a run, and none that is new: another process may be at it.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.tmp"):
        try:
            names = {name for name in os.listdir(left) if not name.endswith(".tmp")}
            old = time.time() - left.stat().st_mtime > _UNBORN
        except OSError:  # a file, or gone already
            continue
        if old and names <= {"config.yaml", "environment.json", "samples"}:
            shutil.rmtree(left, ignore_errors=True)
