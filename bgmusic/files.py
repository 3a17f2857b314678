"""Write files atomically, read untrusted npz files, and find the data that comes with the package."""

from __future__ import annotations

import errno
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bgmusic.errors import UserError

if TYPE_CHECKING:
    import numpy.typing as npt

_PACKAGE = Path(__file__).resolve().parent


def _beside_package(bundled: str, checkout: str) -> Path:
    """Return the folder inside an installed wheel, or else the one at the top of a checkout."""
    inside = _PACKAGE / bundled
    return inside if inside.is_dir() else _PACKAGE.parent / checkout


def data_dir() -> Path:
    """Return the folder of the embedded data sets."""
    return _beside_package("_data", "data")


def configs_dir() -> Path:
    """Return the folder of the presets, one YAML file each."""
    return _beside_package("_configs", "configs")


@contextmanager
def atomic_write(path: str | Path, mode: str = "wb", *, sync: bool = True, **options: Any) -> Iterator[IO[Any]]:
    """Open a temporary file that replaces ``path`` when the block ends without an error.

    If the block raises, ``path`` is unchanged and the temporary file is removed. After a crash, even ``kill -9``,
    either the old file or the new one is there, complete; also after a power failure, unless ``sync`` is false. A
    symbolic link is replaced, not its target: an untrusted run may hold links to the user's files. A pipe or device
    (``/dev/stdout``) is written to directly.

    Raises:
        OSError: the folder can't be written, or there is no space.

    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open(mode, **options) as file:
            yield file
        return
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        error.filename = str(path)  # the path that the user gave
        raise
    try:
        with os.fdopen(handle, mode, **options) as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        # mkstemp makes private files; the new file gets the usual permissions.
        usual_permissions(name, 0o666)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, name):
            error.filename = str(path)  # "No space left on device" alone would not say where
        raise


def require_writable(path: str | Path, folder: bool = False) -> None:
    """Check, before long work, that a file can be written at ``path``, or with ``folder``, files in that folder.

    Leaves nothing behind. Folders that do not exist yet are made by the caller (``mkdir(parents=True)``).

    Raises:
        OSError: it can't.

    """
    path = Path(path)
    if not folder and path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not folder and path.exists() and not path.is_file():
        return  # a pipe, say
    where = path if folder else path.parent
    while not where.exists():
        where = where.parent
    try:
        with tempfile.TemporaryFile(dir=where):
            pass
    except OSError as error:
        error.filename = str(path)  # the path that the user gave
        raise


def usual_permissions(path: str | Path, mode: int) -> None:
    """Set the permissions of a private file or folder to ``mode`` as limited by the user's umask."""
    umask = os.umask(0)  # reading it requires setting it
    os.umask(umask)
    Path(path).chmod(mode & ~umask)


def write_bytes(path: str | Path, content: bytes | memoryview) -> None:
    """Write ``content`` to ``path`` atomically."""
    with atomic_write(path) as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8, atomically."""
    write_bytes(path, content.encode("utf-8"))


def write_npz(path: str | Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays as a compressed npz, atomically."""
    import numpy as np

    with atomic_write(path) as file:
        np.savez_compressed(file, **dict(arrays))  # type: ignore[arg-type]


def append_bytes(path: str | Path, content: bytes) -> None:
    """Append ``content`` to ``path``, which is created if need be; a crash may leave a part of it.

    Raises:
        OSError: the file can't be written, or there is no space.

    """
    try:
        # Links are not followed: an untrusted run may hold links to the user's files.
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        with os.fdopen(handle, "ab") as file:
            file.write(content)
    except OSError as error:
        error.filename = str(path)  # the error of a failed write lacks the path
        raise


def read_npz(path: str | Path, names: Sequence[str], limit: int = 2**30) -> dict[str, npt.NDArray[Any]]:
    """Read arrays from an untrusted npz: no pickles, and no more than ``limit`` bytes in memory.

    Raises:
        UserError: the file is no npz, lacks a name, or unpacks to more than the limit.
        OSError: the file can't be read.

    """
    import numpy as np

    path = Path(path)
    content = path.open("rb")
    with content:
        try:
            # The archive's directory gives the unpacked sizes; reading never yields more.
            with zipfile.ZipFile(content) as archive:
                wanted = {f"{name}.npy" for name in names} | set(names)  # numpy takes either
                size = sum(member.file_size for member in archive.infolist() if member.filename in wanted)
            if size <= limit:
                content.seek(0)
                with np.load(content, allow_pickle=False) as arrays:
                    found = {name: arrays[name] for name in names}
                if any(isinstance(array, bytes) for array in found.values()):  # members that are no arrays
                    raise ValueError("no array")
                return found
        except Exception:  # a broken archive can raise anything
            raise UserError(f"{path}: no npz file with {' and '.join(names)} in it, or a damaged one") from None
    raise UserError(f"{path}: {size / 1e6:.0f} MB of arrays, more than the {limit / 1e6:.0f} MB that are read")
