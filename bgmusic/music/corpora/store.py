"""The arrays of a packed corpus on disk: plain ``.npy`` files, mapped into memory, or the same within xz.

A corpus that nobody vouches for may hold anything: types, shapes and sizes are checked before use, and
nothing is unpickled.
"""

from __future__ import annotations

import io
import lzma
import os
import shutil
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.files import atomic_write

# Extreme, with a dictionary of 8 MiB: a bar that comes again in the next piece costs nothing.
_XZ_PRESET = 6 | lzma.PRESET_EXTREME
_XZ_MEMORY = 128 << 20
_SYNC_BYTES = 32 << 20
_BUFFER_BYTES = 1 << 20


class RowFile:
    """An ``.npy`` file in the making: rows of shape ``row`` are appended, ``finish`` says in its header how many.

    Raises:
        OSError: it can't be written.

    """

    def __init__(self, path: Path, dtype: str, row: tuple[int, ...]) -> None:
        self.path, self.rows = path, 0
        self._dtype, self._row = np.dtype(dtype), row
        self._unsynced = 0
        self._buffer = memoryview(b"")
        self._file = path.open("w+b", buffering=0)
        self._write(memoryview(_header(dtype, (0, *row))))

    def append(self, rows: NDArray[Any]) -> None:
        """Write rows of the announced type and shape."""
        if rows.size:
            self._write(np.ascontiguousarray(rows, self._dtype).data.cast("B"))
        self.rows += len(rows)

    def copy(self, file: io.FileIO, count: int) -> None:
        """Write the next ``count`` rows of ``file``, without a look at them.

        Raises:
            EOFError: it holds fewer.

        """
        missing = count * prod(self._row) * self._dtype.itemsize
        self._buffer = self._buffer or memoryview(bytearray(_BUFFER_BYTES))
        while missing:
            # One buffer again and again: fresh memory for each part costs several times as much as the copying.
            found = file.readinto(self._buffer[:missing])
            if not found:
                raise EOFError(f"{file.name} ends early")
            self._write(self._buffer[:found])
            missing -= found
        self.rows += count

    def read(self) -> NDArray[Any]:
        """All rows so far."""
        self._file.seek(len(_header(self._dtype.str, (0, *self._row))))
        return np.fromfile(self._file, self._dtype).reshape(-1, *self._row)

    def finish(self) -> None:
        """Complete the header and close; now all is on the disk."""
        self._file.seek(0)
        self._write(memoryview(_header(self._dtype.str, (self.rows, *self._row))))
        self._sync()
        self.close()

    def close(self) -> None:
        """Let go of the file, finished or not."""
        self._file.close()

    def _write(self, content: memoryview) -> None:
        try:
            while content:
                written = self._file.write(content)
                content = content[written:]
                self._unsynced += written
            # What goes to the disk on the way is not waited for at the end, when no worker is left to do anything.
            if self._unsynced > _SYNC_BYTES:
                self._sync()
        except OSError as error:
            error.filename = str(self.path)  # "No space left on device" alone would not say where
            raise

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._unsynced = 0


def compress_file(path: Path, to: Path) -> None:
    """Write ``path`` within xz to ``to``, whole or not at all."""
    with (
        path.open("rb") as file,
        atomic_write(to) as target,
        lzma.open(target, "wb", preset=_XZ_PRESET, check=lzma.CHECK_CRC32) as inner,
    ):
        shutil.copyfileobj(file, inner, _BUFFER_BYTES)


def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The header of an ``.npy`` file, to the byte as ``numpy.save`` writes it."""
    header = io.BytesIO()
    described = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    return header.getvalue()


def read_rows(path: Path, dtype: str, count: int, row: tuple[int, ...]) -> NDArray[Any]:
    """The ``count`` rows of shape ``row`` at ``path``: mapped into memory, or unpacked when the file is xz.

    Changes to the array stay in memory.

    Raises:
        UserError: missing, damaged, or not of this type and shape.

    """
    shape, size = (count, *row), prod((count, *row)) * np.dtype(dtype).itemsize
    header = _header(dtype, shape)
    try:
        if path.suffix == ".xz":
            content = _unpack(path, len(header) + size)
            _check(path, content[: len(header)] == header and len(content) == len(header) + size)
            return np.frombuffer(bytearray(content[len(header) :]), dtype).reshape(shape)
        with path.open("rb") as file:
            _check(path, file.read(len(header)) == header and path.stat().st_size == len(header) + size)
        if not size:
            return np.zeros(shape, dtype)
        # Copy on write: torch takes only arrays that it could write to.
        return np.memmap(path, dtype, "c", len(header), shape)
    except (ValueError, EOFError, lzma.LZMAError, MemoryError, OverflowError) as error:
        raise UserError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}") from None


def _check(path: Path, fits: bool) -> None:
    if not fits:
        raise UserError(f"{path} is damaged: it is not of the type and shape that meta.json says")


def _unpack(path: Path, limit: int) -> bytes:
    """The content of an xz file, which may be ``limit`` bytes at most."""
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    content = decompressor.decompress(path.read_bytes(), max_length=limit)
    # The end of the stream is behind the last byte of its content.
    while not decompressor.eof and not decompressor.needs_input and not decompressor.decompress(b"", max_length=1):
        pass
    if not decompressor.eof:
        raise ValueError("it is cut off, or holds more than meta.json says")
    return content
