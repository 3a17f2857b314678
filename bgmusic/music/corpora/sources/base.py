"""What every source of music is: a list of entries, and the bytes of each.

A source never writes a file and never trusts what it reads: sizes are bounded before anything is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_ENTRY_BYTES = 16 << 20  # of which a MIDI file may fill half (midi_file.py); rolls and JSON take more
MAX_ENTRIES = 2_000_000  # of one source; the largest public collections hold fewer than 500,000

MIDI_SUFFIXES = (".mid", ".midi", ".kar", ".smf", ".rmi")
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


class Unreadable(Exception):
    """Why one entry can't be read: one line; the build goes on without it."""


@dataclass(frozen=True)
class Entry:
    """One piece that a source offers.

    ``kind`` says how its bytes are decoded: "midi", "lpd" (pypianoroll's npz), "cells" (one roll of a MuseGAN
    npz), "music21", "muspy"; "unusable" has no bytes but a ``reason``. ``key`` is the source's own address of
    it; ``size`` is the number of bytes to read, or of a score as many as would make equal work; ``stamp`` changes
    when the entry does.
    """

    name: str
    kind: str
    size: int = 0
    key: int | str = 0
    reason: str = ""
    stamp: int = 0


class Source(Protocol):
    """Something that music is read from."""

    def entries(self) -> Iterator[Entry]:
        """All entries, always in the same order; nothing large is read."""
        ...

    def read(self, entry: Entry) -> bytes:
        """The bytes of an entry of this source; called in the order of ``entries``, with gaps.

        Raises:
            Unreadable: the entry can't be read.

        """
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


def content_of(read: Callable[[Entry], bytes], entry: Entry) -> bytes | str:
    """The bytes of an entry, or the reason why there are none."""
    if entry.kind == "unusable":
        return entry.reason
    try:
        return read(entry)
    except Unreadable as error:
        return str(error)


def kind_of(name: str) -> str:
    """How a file of this name is decoded: "midi", "lpd", "archive", or "" when it is none of our business."""
    lower = name.lower()
    if lower.endswith(ARCHIVE_SUFFIXES):
        return "archive"
    if lower.removesuffix(".gz").endswith(MIDI_SUFFIXES):
        return "midi"
    return "lpd" if lower.endswith(".npz") else ""


def printable(name: str) -> str:
    """A file's name as one line of text, whatever bytes it has."""
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)[:500]


def too_large(name: str, kind: str, size: int) -> Entry | None:
    """The entry that stands for a file which is too large to be read, or None when it is not."""
    if size <= MAX_ENTRY_BYTES:
        return None
    reason = f"{size:,} bytes, more than the {MAX_ENTRY_BYTES:,} that are read of one file"
    return Entry(name, "unusable", reason=reason)


class BrokenSource:
    """A file among others that should hold music and can't be opened; ``reason`` says why."""

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
