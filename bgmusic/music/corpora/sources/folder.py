"""Find and read single files: MIDI, and npz files of pypianoroll."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bgmusic.music.corpora.sources.base import MAX_ENTRIES, Entry, Unreadable, kind_of, printable, too_large


def walk(folder: Path, broken: list[tuple[Path, str]] | None = None) -> Iterator[Path]:
    """Iterate over all regular files below ``folder`` in name order; links to folders are not followed.

    Folders and links that can't be read are skipped, and appended to ``broken`` with the reason.
    """
    broken = [] if broken is None else broken
    pending = [folder]
    found = 0
    while pending:
        here = pending.pop()
        try:
            with os.scandir(here) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            broken.append((here, error.strerror or "unreadable"))
            continue
        for item in listed:
            try:
                is_file = item.is_file()  # also links to files, but no pipes or devices, which would block
            except OSError as error:
                broken.append((Path(item.path), error.strerror or "unreadable"))
                continue
            if is_file:
                found += 1
                if found > MAX_ENTRIES:
                    return
                yield Path(item.path)
        pending.extend(Path(item.path) for item in reversed(listed) if item.is_dir(follow_symlinks=False))


def midi_files(folder: Path) -> list[Path]:
    """Return the MIDI files below ``folder``, in name order."""
    return [path for path in walk(folder) if kind_of(path.name) == "midi"]


class FileSource:
    """Single files, given as pairs of the name in the corpus and the path."""

    def __init__(self, files: list[tuple[str, str]]) -> None:
        self._files = files

    def entries(self) -> Iterator[Entry]:
        """See ``Source.entries``."""
        for name, path in self._files:
            shown = printable(name)
            kind = kind_of(path) or "midi"  # a file given by the user is read whatever its suffix
            try:
                status = os.stat(path)
            except OSError as error:
                yield Entry(shown, "unusable", reason=error.strerror or "unreadable")
                continue
            size, stamp = status.st_size, status.st_mtime_ns
            yield too_large(shown, kind, size) or Entry(shown, kind, size, path, stamp=stamp)

    def read(self, entry: Entry) -> bytes:
        """See ``Source.read``."""
        return read_file(entry)

    def close(self) -> None:
        """See ``Source.close``."""


def read_file(entry: Entry) -> bytes:
    """Read the file of an entry of a ``FileSource``; its key is the path, so that any local process can read it.

    Raises:
        Unreadable: the file can't be read, or changed since it was listed.

    """
    try:
        with open(entry.key, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable("no regular file")
            content = file.read(entry.size + 1)
    except OSError as error:
        raise Unreadable(error.strerror or "unreadable") from None
    if len(content) != entry.size:
        raise Unreadable("the file changed while the corpus was built")
    return content
