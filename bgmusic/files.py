"""Files: written whole or not at all, and found again from a checkout as from a wheel."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_PACKAGE = Path(__file__).resolve().parent


def _beside_package(bundled: str, checkout: str) -> Path:
    """The folder inside an installed wheel, or else the one at the top of a checkout."""
    inside = _PACKAGE / bundled
    return inside if inside.is_dir() else _PACKAGE.parent / checkout


def data_dir() -> Path:
    """The folder with the embedded data sets."""
    return _beside_package("_data", "data")


def configs_dir() -> Path:
    """The folder with the presets, one YAML file each."""
    return _beside_package("_configs", "configs")


@contextmanager
def atomic_write(path: str | Path, mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` that replaces it when the block ends well.

    When the block raises, ``path`` is as it was and the temporary file is gone.
    A crash, even ``kill -9``, leaves either the old file or the new one, whole.

    Raises:
        OSError: the folder can't be written, or there is no space.
    """
    path = Path(path)
    # Opened by hand: an unnamed delete-on-close file could not be renamed on every system.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for their owner alone; what replaces `path` gets the usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with atomic_write(path) as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))
