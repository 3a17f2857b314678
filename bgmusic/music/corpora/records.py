"""Keep the records of pieces as lines of JSON on disk, and read one when it is needed.

A record as Python objects takes about 1.5 KB of memory, five times its text: hundreds of megabytes for a large corpus.
"""

from __future__ import annotations

import json
import mmap
from array import array
from collections.abc import Iterator, Sequence
from operator import eq
from pathlib import Path
from typing import Any, overload

from bgmusic.errors import UserError

LISTS = ("pieces", "skipped")  # the last entries of meta.json
_INDENT = b"\n  "  # before every record
Record = dict[str, Any]


class Records(Sequence[Record]):
    """Records in a text, parsed when they are read.

    Args:
        path: the file of the text, for messages.
        content: the text, mapped into memory or not: record i is ``content[edges[i] : edges[i + 1]]``, in UTF-8, and
            commas and spaces around it.
        edges: positions in the text.

    """

    def __init__(self, path: Path, content: bytes | mmap.mmap, edges: array[int]) -> None:
        self._path, self._content, self._edges = path, content, edges

    def __len__(self) -> int:
        return len(self._edges) - 1

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """Return one record or several.

        Raises:
            IndexError: the index is out of range.
            UserError: the text is damaged there.

        """
        number = range(len(self))[index]
        if isinstance(number, range):
            return [self[each] for each in number]
        text = self._content[self._edges[number] : self._edges[number + 1]]
        try:
            record: Record = json.loads(text.strip(b"\n ,").decode())
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self._path} is damaged: {error}") from None
        return record

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]


class RecordFile:
    """Write records to a file, one a line; read them while more are appended.

    Raises:
        OSError: the file can't be written.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._edges = array("Q", [0])
        self._file = path.open("w+b")

    def __len__(self) -> int:
        return len(self._edges) - 1

    def append(self, records: Sequence[Record]) -> None:
        """Append records."""
        for record in records:
            written = self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            self._edges.append(self._edges[-1] + written)

    def read(self) -> Records:
        """Return all records written so far."""
        self._file.flush()
        return Records(self._path, map_file(self._path), self._edges[:])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def map_file(path: Path) -> bytes | mmap.mmap:
    """Map a file into memory.

    Raises:
        OSError: it can't be read.

    """
    with path.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return b""


def json_lines(meta: dict[str, Any]) -> Iterator[str]:
    """Format meta.json: indented, with one line for each piece and each skipped file, which come last."""
    head = {name: value for name, value in meta.items() if name not in LISTS}
    yield json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
    for name in LISTS:
        yield f',\n "{name}": ['
        some = False
        for record in meta[name]:
            yield f"{',' if some else ''}\n  {json.dumps(record, ensure_ascii=False)}"
            some = True
        yield "\n ]" if some else "]"
    yield "\n}\n"


def read_records(path: Path) -> Any:
    """Read a meta.json. Its lists are ``Records`` if it is formatted as ``json_lines`` does, else lists.

    Raises:
        ValueError, RecursionError: it is damaged.
        OSError: it can't be read.

    """
    content = map_file(path)
    start = at = max(0, content.find(_opening(LISTS[0])))
    lists: dict[str, Records] = {}
    for name in LISTS:
        found = _list_at(path, content, at, _opening(name))
        if found is None:
            break
        lists[name], at = found
    whole = len(lists) == len(LISTS) and content[at:] == b"\n}\n"
    meta = json.loads(content[:start].decode() + "}" if whole else content[:].decode())
    return meta | lists if whole else meta


def _opening(name: str) -> bytes:
    return f',\n "{name}": ['.encode()


def _list_at(path: Path, content: bytes | mmap.mmap, at: int, opening: bytes) -> tuple[Records, int] | None:
    """Return the list at a position of a meta.json and the position of its end; None if there is none, a line each."""
    if content[at : at + len(opening)] != opening:
        return None
    at += len(opening)
    edges = array("Q", [at])
    while content[at : at + len(_INDENT)] == _INDENT and (end := content.find(b"\n", at + 1)) > 0:
        edges.append(end)
        at = end
    closing = b"\n ]" if len(edges) > 1 else b"]"
    return (Records(path, content, edges), at + len(closing)) if content[at : at + len(closing)] == closing else None
