"""Write and read the arrays of a packed corpus: ``.npy`` files, mapped into memory, or compressed with xz.

A corpus is untrusted input: types, shapes and sizes are checked before use, and nothing is unpickled.
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

# A dictionary of 8 MiB: bars that are repeated in the next pieces take almost no space.
_XZ_PRESET = 6 | lzma.PRESET_EXTREME
_XZ_MEMORY = 128 << 20
_SYNC_BYTES = 32 << 20
_BUFFER_BYTES = 1 << 20


class RowFile:
    """An ``.npy`` file that is written row by row; ``finish`` writes the number of rows to its header.

    Args:
        path: the file, which is created.
        dtype: dtype of the array.
        row: shape of a row.

    Raises:
        OSError: the file can't be written.

    """

    def __init__(self, path: Path, dtype: str, row: tuple[int, ...]) -> None:
        self.path, self.rows = path, 0
        self._dtype, self._row = np.dtype(dtype), row
        self._unsynced = 0
        self._buffer = memoryview(b"")
        self._file = path.open("w+b", buffering=0)
        self._write(memoryview(_header(dtype, (0, *row))))

    def append(self, rows: NDArray[Any]) -> None:
        """Append rows of shape ``(n, *row)``, converted to the file's dtype.

        Raises:
            ValueError: the rows have another shape.

        """
        if rows.shape[1:] != self._row:
            raise ValueError(f"{self.path.name} has rows of shape {self._row}, not {rows.shape[1:]}")
        if rows.size:
            self._write(np.ascontiguousarray(rows, self._dtype).data.cast("B"))
        self.rows += len(rows)

    def copy(self, file: io.FileIO, count: int) -> None:
        """Append the next ``count`` rows of an open file, byte by byte.

        Raises:
            EOFError: the file holds fewer rows.

        """
        missing = count * prod(self._row) * self._dtype.itemsize
        self._buffer = self._buffer or memoryview(bytearray(_BUFFER_BYTES))
        while missing:
            # Reuse one buffer: allocating memory for each part takes several times as long as copying.
            found = file.readinto(self._buffer[:missing])
            if not found:
                raise EOFError(f"{file.name} ends early")
            self._write(self._buffer[:found])
            missing -= found
        self.rows += count

    def read(self) -> NDArray[Any]:
        """Return all rows written so far."""
        self._file.seek(len(_header(self._dtype.str, (0, *self._row))))
        return np.fromfile(self._file, self._dtype).reshape(-1, *self._row)

    def finish(self) -> None:
        """Complete the header, flush the file to the disk, and close it."""
        self._file.seek(0)
        self._write(memoryview(_header(self._dtype.str, (self.rows, *self._row))))
        self._sync()
        self.close()

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()

    def _write(self, content: memoryview) -> None:
        try:
            while content:
                written = self._file.write(content)
                content = content[written:]
                self._unsynced += written
            # Flush now and then, while workers are busy, so that the final flush is short.
            if self._unsynced > _SYNC_BYTES:
                self._sync()
        except OSError as error:
            error.filename = str(self.path)  # else "No space left on device" would not name the file
            raise

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._unsynced = 0


def compress_file(path: Path, to: Path) -> None:
    """Compress the file ``path`` with xz to ``to``, atomically."""
    with (
        path.open("rb") as file,
        atomic_write(to) as target,
        lzma.open(target, "wb", preset=_XZ_PRESET, check=lzma.CHECK_CRC32) as inner,
    ):
        shutil.copyfileobj(file, inner, _BUFFER_BYTES)


def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return the header of an ``.npy`` file, byte for byte as ``numpy.save`` writes it."""
    header = io.BytesIO()
    described = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    return header.getvalue()


def read_rows(path: Path, dtype: str, count: int, row: tuple[int, ...]) -> NDArray[Any]:
    """Read an array of ``count`` rows of shape ``row``: mapped into memory, or decompressed if the file is xz.

    Changes to the array are not written to the file.

    Raises:
        UserError: the file is missing, damaged, or of another type or shape.

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
        # Copy on write, because torch.from_numpy wants writable arrays.
        return np.memmap(path, dtype, "c", len(header), shape)
    except (ValueError, EOFError, lzma.LZMAError, MemoryError, OverflowError) as error:
        raise UserError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}") from None


def _check(path: Path, fits: bool) -> None:
    if not fits:
        raise UserError(f"{path} is damaged: its type or shape differs from meta.json")


def _unpack(path: Path, limit: int) -> bytes:
    """Decompress an xz file of at most ``limit`` bytes of content."""
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    content = decompressor.decompress(path.read_bytes(), max_length=limit)
    # Read on after the last byte of content, up to the end of the stream.
    while not decompressor.eof and not decompressor.needs_input and not decompressor.decompress(b"", max_length=1):
        pass
    if not decompressor.eof:
        raise ValueError("it is truncated, or holds more than meta.json states")
    return content
