"""The arrays of a packed corpus on disk: plain ``.npy`` files, mapped into memory, or the same within xz.

A corpus that nobody vouches for may hold anything: types, shapes and sizes are checked before use, and
nothing is unpickled.
"""

from __future__ import annotations

import io
import lzma
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.files import atomic_write

# Extreme, with a dictionary of 8 MiB: a bar that comes again in the next piece costs nothing.
_XZ_PRESET = 6 | lzma.PRESET_EXTREME
_XZ_MEMORY = 128 << 20


class RowWriter:
    """Appends rows to an ``.npy`` file whose number of rows was announced."""

    def __init__(self, file: IO[bytes], dtype: np.dtype[Any]) -> None:
        self._file, self._dtype = file, dtype

    def append(self, rows: NDArray[Any]) -> None:
        """Write rows of the announced type and shape."""
        self._file.write(np.ascontiguousarray(rows, self._dtype).tobytes())


@contextmanager
def write_rows(path: Path, dtype: str, count: int, row: tuple[int, ...], compress: bool) -> Iterator[RowWriter]:
    """Write ``count`` rows of shape ``row`` to ``path``, whole or not at all; the memory of all is never needed."""
    with atomic_write(path) as file, _compressed(file, compress) as inner:
        inner.write(_header(dtype, (count, *row)))
        yield RowWriter(inner, np.dtype(dtype))


def _compressed(file: IO[bytes], compress: bool) -> AbstractContextManager[Any]:
    if not compress:
        return nullcontext(file)
    return lzma.open(file, "wb", preset=_XZ_PRESET, check=lzma.CHECK_CRC32)


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
