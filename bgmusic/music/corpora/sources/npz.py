"""Read arrays from an untrusted ``.npz``: no pickles, and no array larger than its bytes in the file."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from math import prod
from typing import IO

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.corpora.sources.base import Unreadable

MAX_ARRAY_BYTES = 64 << 20
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError),
    *(tokenize.TokenError, SyntaxError),  # NumPy parses headers as Python
)


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Read the header of an ``.npy``: shape, whether in Fortran order, and dtype.

    Raises:
        Unreadable: the header is of an unknown version, or the dtype is not boolean or numeric.

    """
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise Unreadable(f"an .npy header of the unknown version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file, max_header_size=4096)
    if dtype.kind not in "buif" or dtype.itemsize > 8 or any(side < 0 for side in shape):
        raise Unreadable(f"an array of {dtype} instead of numbers")
    return shape, fortran, dtype


def read_array(archive: zipfile.ZipFile, name: str) -> NDArray[np.generic]:
    """Read the array ``name``; its size is checked first.

    Raises:
        Unreadable: the array is missing, damaged, larger than ``MAX_ARRAY_BYTES``, or not numeric.

    """
    try:
        member = archive.getinfo(f"{name}.npy")
        with archive.open(member) as file:
            shape, fortran, dtype = read_header(file)
            size = prod(shape) * dtype.itemsize
            if size > min(member.file_size, MAX_ARRAY_BYTES):
                raise Unreadable(f"its array {name!r} claims the shape {shape}")
            content = file.read(size)
            if len(content) != size:
                raise Unreadable(f"its array {name!r} is cut off")
    except KeyError:
        raise Unreadable(f"it has no array {name!r}") from None
    except BROKEN as error:
        raise Unreadable(f"its array {name!r} is damaged: {error}") from None
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
