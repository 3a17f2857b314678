"""Lock run folders against a second process, and create them atomically."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

from bgmusic.errors import UserError

_LOCK = ".lock"
_UNFINISHED = 60  # seconds after which an unfinished run folder is abandoned; creating one takes milliseconds
_UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)  # flock on a file system without locks


class Lock:
    """Hold a run folder exclusively until :meth:`release` or the end of the process.

    The lock is ``flock`` on the file ``.lock`` of the folder. The system drops it when the process ends, killed or
    not, so it never goes stale; the empty file stays. A symbolic link in its place is refused. On a file system without
    locks the folder is used unlocked.

    Args:
        folder: an existing run folder.

    Raises:
        UserError: another process holds the folder.
        OSError: the folder does not exist or cannot be written, or ``.lock`` is a symbolic link.

    """

    def __init__(self, folder: str | Path) -> None:
        Path(folder).stat()  # raises: filelock would create a missing folder
        # Not per thread: a run may be released by another thread than the one that took it.
        self._lock = FileLock(Path(folder) / _LOCK, blocking=False, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise UserError(f"{folder} is in training by another process: wait for it to end, or stop it") from None
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise

    def release(self) -> None:
        """Release the folder; calling it again has no effect."""
        self._lock.release()


def new_folder(path: str | Path) -> Path:
    """Create a hidden temporary folder beside ``path``, to be filled and then renamed to ``path``.

    Raises:
        OSError: the parent folder does not exist or cannot be written.

    """
    path = Path(path)
    return Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))


def remove_abandoned(path: str | Path) -> None:
    """Remove the folders that :func:`new_folder` made for ``path`` in processes that were killed before the rename.

    Folders that hold anything but the first files of a run are kept, and so are recent ones: another process may still
    fill them.
    """
    path = Path(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.tmp"):
        try:
            names = {name for name in os.listdir(left) if not name.endswith(".tmp")}
            old = time.time() - left.stat().st_mtime > _UNFINISHED
        except OSError:  # a file, or removed meanwhile
            continue
        if old and names <= {"config.yaml", "environment.json", "samples"}:
            shutil.rmtree(left, ignore_errors=True)
