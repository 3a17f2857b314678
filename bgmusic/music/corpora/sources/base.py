"""The interface of a source of music: a list of entries, and the content of each.

Sources are untrusted input: sizes are checked before anything is read, and nothing is written to disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_ENTRY_BYTES = 16 << 20  # a MIDI file may have half of it; rolls and JSON need more
MAX_ENTRIES = 2_000_000  # per source; the largest public collections have fewer than 500,000

MIDI_SUFFIXES = (".mid", ".midi", ".kar", ".smf", ".rmi")
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


class Unreadable(Exception):
    """An entry can't be read. The text, one line, is stored in meta.json; the build continues without the entry."""


@dataclass(frozen=True)
class Entry:
    """One piece in a source.

    Attributes:
        name: name of the piece in the corpus.
        kind: format of the content: "midi", "lpd" (an npz of pypianoroll), "cells" (one roll of a MuseGAN npz),
            "music21" or "muspy"; "unusable" has no content but a ``reason``.
        size: bytes of the content; for scores, an equivalent amount of work.
        key: address of the entry within its source.
        reason: the reason why an unusable entry can't be read.
        stamp: modification time, in nanoseconds.

    """

    name: str
    kind: str
    size: int = 0
    key: int | str = 0
    reason: str = ""
    stamp: int = 0


class Source(Protocol):
    """A source of music."""

    def entries(self) -> Iterator[Entry]:
        """Iterate over all entries, always in the same order, without reading their content."""
        ...

    def read(self, entry: Entry) -> bytes:
        """Return the content of an entry of this source. Calls follow the order of ``entries``, with gaps.

        Raises:
            Unreadable: the entry can't be read.

        """
        ...

    def close(self) -> None:
        """Close open files."""
        ...


def content_of(read: Callable[[Entry], bytes], entry: Entry) -> bytes | str:
    """Return the content of an entry, or the reason (str) why it can't be read."""
    if entry.kind == "unusable":
        return entry.reason
    try:
        return read(entry)
    except Unreadable as error:
        return str(error)


def kind_of(name: str) -> str:
    """Return the type of a file by its name: "midi", "lpd", "archive", or "" if it is unsupported."""
    lower = name.lower()
    if lower.endswith(ARCHIVE_SUFFIXES):
        return "archive"
    if lower.removesuffix(".gz").endswith(MIDI_SUFFIXES):
        return "midi"
    return "lpd" if lower.endswith(".npz") else ""


def printable(name: str) -> str:
    """Return an untrusted file name as one line of printable text, at most 500 characters."""
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)[:500]


def too_large(name: str, kind: str, size: int) -> Entry | None:
    """Return an unusable entry for a file that is too large to be read, else None."""
    if size <= MAX_ENTRY_BYTES:
        return None
    reason = f"{size:,} bytes, more than the {MAX_ENTRY_BYTES:,} that are read of one file"
    return Entry(name, "unusable", reason=reason)


class BrokenSource:
    """A file in a folder that can't be opened: a source with one unusable entry."""

    def __init__(self, name: str, reason: str) -> None:
        self._entry = Entry(name, "unusable", reason=reason)

    def entries(self) -> Iterator[Entry]:
        """See ``Source.entries``."""
        yield self._entry

    def read(self, entry: Entry) -> bytes:
        """See ``Source.read``."""
        raise Unreadable(entry.reason)

    def close(self) -> None:
        """See ``Source.close``."""
