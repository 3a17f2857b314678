"""Read zip and tar archives in place; nothing is extracted to disk.

Archives are untrusted input. Entries are read one by one, up to the size that they declare, as long as the total stays
below ``MAX_RATIO`` times the size of the archive.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bgmusic.errors import UserError
from bgmusic.music.corpora.sources.base import (
    MAX_ENTRIES,
    MAX_ENTRY_BYTES,
    Entry,
    Unreadable,
    kind_of,
    printable,
    too_large,
)

MAX_RATIO = 200  # MIDI files compress about 10:1, sparse rolls 50:1, archive bombs 1000:1 and more
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


def open_archive(path: Path, label: str) -> ZipSource | TarSource:
    """Open a zip or tar archive as a source, whatever its suffix; ``label`` is its name in messages and records.

    Raises:
        UserError: the file is neither a zip nor a tar archive, or damaged.

    """
    if zipfile.is_zipfile(path):
        return ZipSource(path, label)
    return TarSource(path, label)


def _leads_out(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or (len(name) > 1 and name[1] == ":")


def _entry(label: str, name: str, size: int, key: int, stamp: int) -> Entry | None:
    """Return the entry of an archived file; None if its type is unsupported."""
    shown = f"{label}/{printable(name)}"
    kind = kind_of(name)
    if not kind:
        return None
    if _leads_out(name):
        return Entry(shown, "unusable", reason="its name leads out of the archive")
    if kind == "archive":
        return Entry(shown, "unusable", reason="an archive inside an archive is not opened")
    return too_large(shown, kind, size) or Entry(shown, kind, size, key, stamp=stamp)


class ZipSource:
    """The music files in a zip archive; encrypted or damaged members are skipped with a reason."""

    def __init__(self, path: Path, label: str) -> None:
        self._label, self._stamp = label, path.stat().st_mtime_ns
        self._budget = MAX_RATIO * path.stat().st_size
        try:
            self._zip = zipfile.ZipFile(path)
        except (*_BROKEN, NotImplementedError) as error:
            raise UserError(f"{label} is a damaged zip archive: {error}") from None
        self._members = self._zip.infolist()

    def entries(self) -> Iterator[Entry]:
        """See ``Source.entries``."""
        spent = 0
        for number, member in enumerate(self._members):
            entry = _entry(self._label, member.filename, member.file_size, number, self._stamp)
            if entry is None or member.is_dir():
                continue
            spent += entry.size
            if spent > self._budget or number >= MAX_ENTRIES:
                yield _bomb(self._label)
                return
            encrypted = member.flag_bits & 1
            yield Entry(entry.name, "unusable", reason="encrypted") if encrypted else entry

    def read(self, entry: Entry) -> bytes:
        """See ``Source.read``."""
        member = self._members[int(entry.key)]
        try:
            with self._zip.open(member) as file:
                content = file.read(entry.size + 1)
        except (*_BROKEN, NotImplementedError, RuntimeError) as error:
            raise Unreadable(f"damaged in its archive: {error}") from None
        if len(content) != entry.size:
            raise Unreadable(f"the archive declares {entry.size:,} bytes and holds {len(content):,}")
        return content

    def close(self) -> None:
        """See ``Source.close``."""
        self._zip.close()


class TarSource:
    """The music files in a tar archive, plain or compressed with gzip, bzip2 or xz; links and devices are skipped."""

    def __init__(self, path: Path, label: str) -> None:
        self._label, self._stamp = label, path.stat().st_mtime_ns
        self._file = _Bounded(path)
        try:
            with tarfile.open(fileobj=self._file, mode="r:"):
                pass
        except (*_BROKEN, _Overspent) as error:
            self._file.close()
            raise UserError(f"{label} is neither a zip nor a tar archive, or damaged: {error}") from None

    def entries(self) -> Iterator[Entry]:
        """See ``Source.entries``."""
        self._file.seek(0)
        found = 0
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                while (member := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined] # tarfile would keep all members in memory
                    found += 1
                    if found > MAX_ENTRIES:
                        yield _bomb(self._label)
                        return
                    entry = _entry(self._label, member.name, member.size, member.offset_data, self._stamp)
                    if entry is not None and not member.isdir():
                        plain = member.isreg() and not member.issparse()
                        yield entry if plain else Entry(entry.name, "unusable", reason="a link or a device, no file")
        except _Overspent:
            yield _bomb(self._label)
        except _BROKEN as error:
            reason = f"the archive is damaged from here on: {error}"
            yield Entry(f"{self._label}/...", "unusable", reason=reason)

    def read(self, entry: Entry) -> bytes:
        """See ``Source.read``."""
        try:
            self._file.seek(int(entry.key))
            content = self._file.read(entry.size)
        except (*_BROKEN, _Overspent) as error:
            raise Unreadable(f"damaged in its archive: {error}") from None
        if len(content) != entry.size:
            raise Unreadable("the archive ends inside it")
        return content

    def close(self) -> None:
        """See ``Source.close``."""
        self._file.close()


def _bomb(label: str) -> Entry:
    reason = f"the rest of the archive is not read: it expands more than {MAX_RATIO}-fold or lists too many files"
    return Entry(f"{label}/...", "unusable", reason=reason)


class _Overspent(Exception):
    """The archive expands beyond its budget."""

    def __init__(self) -> None:
        super().__init__("it expands to more than is read")


class _Bounded(io.RawIOBase):
    """A reader of a decompressed file with a budget of bytes and a limit on the size of each read.

    A header in a tar archive may declare gigabytes, which ``tarfile`` would read at once.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._budget = MAX_RATIO * path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(6)
        opener = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}.get(magic[:2], open)
        self._inner: IO[bytes] = opener(path, "rb")  # type: ignore[operator]

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._inner.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == io.SEEK_SET and offset > self._budget:
            raise _Overspent
        return self._inner.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_ENTRY_BYTES or self._inner.tell() + size > self._budget + MAX_ENTRY_BYTES:
            raise _Overspent
        return self._inner.read(size)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()
