"""Read muspy's datasets: ``muspy:nes``, or ``muspy:nes=FOLDER`` for one that is already in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from bgmusic.errors import UserError
from bgmusic.music.corpora.sources.base import Entry, Unreadable
from bgmusic.music.midi.song import Song
from bgmusic.music.rolls.interop.muspy import from_muspy


class MuspySource:
    """A muspy dataset. By default it is in ``~/.muspy``, where muspy downloads it on first use.

    Raises:
        UserError: muspy has no such dataset, or can't download it.

    """

    def __init__(self, name: str) -> None:
        name, _, folder = name.partition("=")
        root = Path(folder) if folder else Path.home() / ".muspy" / name
        self._name, self._root = name, str(root.resolve())
        self._count = len(_open(name, self._root, download=True))

    def entries(self) -> Iterator[Entry]:
        """See ``Source.entries``."""
        for number in range(self._count):
            yield Entry(f"muspy/{self._name}/{number}", "muspy", 1 << 17, number)

    def read(self, entry: Entry) -> bytes:
        """Return name, folder and index as JSON; the worker reads the piece by muspy."""
        return json.dumps([self._name, self._root, int(entry.key)]).encode()

    def close(self) -> None:
        """See ``Source.close``."""


def decode_muspy(content: bytes) -> Song:
    """Read the song that ``MuspySource.read`` refers to.

    Raises:
        Unreadable: muspy can't read it.

    """
    name, root, number = json.loads(content)
    dataset = _open(name, root, download=False)
    try:
        music = dataset[number]
    except Exception as error:  # muspy's readers raise many types
        raise Unreadable(f"muspy: {type(error).__name__}: {error}") from None
    return from_muspy(music)


@lru_cache(maxsize=4)
def _open(name: str, root: str, download: bool) -> Any:
    import muspy

    try:
        kind = muspy.get_dataset(name)
    except ValueError:
        raise UserError(f"muspy has no dataset {name!r}; it has {', '.join(_names())}") from None
    if not issubclass(kind, muspy.RemoteDataset):
        raise UserError(f"muspy does not download {name!r}; for music21's corpora, write music21:bach")
    Path(root).parent.mkdir(parents=True, exist_ok=True)
    try:
        return kind(root, download_and_extract=download, verbose=False)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"muspy:{name} is not in {root} and can't be downloaded: {reason}") from None


def _names() -> list[str]:
    import muspy

    return sorted(kind.__name__ for kind in muspy.list_datasets())
