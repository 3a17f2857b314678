"""Sources of music: folders, files, archives, npz files of rolls, and the corpora of music21 and muspy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bgmusic.errors import UserError
from bgmusic.music.corpora.sources.archives import open_archive
from bgmusic.music.corpora.sources.base import BrokenSource, Source, kind_of, printable
from bgmusic.music.corpora.sources.folder import FileSource, walk
from bgmusic.music.corpora.sources.musegan import MuseganSource, is_musegan


def open_sources(names: Sequence[str]) -> tuple[list[Source], dict[str, int]]:
    """Open sources by name.

    Args:
        names: folders, files (MIDI, npz, archive), ``music21:NAME`` or ``muspy:NAME``.

    Returns:
        The sources, and the number of ignored files by suffix.

    Raises:
        UserError: there is no such file, corpus or dataset, or an archive is damaged. (A damaged archive within a
            folder is a ``BrokenSource`` instead.)

    """
    sources: list[Source] = []
    ignored: dict[str, int] = {}
    for given in names:
        scheme, _, name = given.partition(":")
        if scheme == "music21":
            from bgmusic.music.corpora.sources.music21_corpus import Music21Source

            sources.append(Music21Source(name))
        elif scheme == "muspy":
            from bgmusic.music.corpora.sources.muspy_dataset import MuspySource

            sources.append(MuspySource(name))
        elif given and Path(given).is_dir():
            sources.extend(_open_folder(Path(given), ignored))
        elif Path(given).is_file():
            sources.append(_open_file(Path(given)))
        else:
            raise UserError(f"no source {given!r}: give a folder, a file, music21:NAME or muspy:NAME")
    return sources, ignored


def _open_folder(folder: Path, ignored: dict[str, int]) -> list[Source]:
    """Open all files below a folder, in path order; consecutive single files form one source."""
    sources: list[Source] = []
    single: list[tuple[str, str]] = []  # plain strings, since there may be hundreds of thousands
    base = folder.resolve().name
    broken: list[tuple[Path, str]] = []

    def named(path: Path) -> str:
        return printable(f"{base}/{path.relative_to(folder).as_posix()}")

    for path in walk(folder, broken):
        name = named(path)
        kind = kind_of(path.name)
        try:
            opened = _open_packed(path, name, kind)
        except UserError as error:  # in a folder, a damaged archive is skipped and does not abort the build
            opened = BrokenSource(name, str(error))
        if opened is not None:
            sources.extend([FileSource(single), opened] if single else [opened])
            single = []
        elif kind:
            single.append((name, str(path)))
        else:
            suffix = printable(path.suffix.lower()[:20]) or "without a suffix"
            ignored[suffix] = ignored.get(suffix, 0) + 1
    sources.extend([FileSource(single)] if single else [])
    return [*sources, *(BrokenSource(named(path), reason) for path, reason in broken)]


def _open_packed(path: Path, name: str, kind: str) -> Source | None:
    """Open a file that holds many pieces; None for a single piece."""
    if kind == "archive":
        return open_archive(path, name)
    return MuseganSource(path, name) if kind == "lpd" and is_musegan(path) else None


def _open_file(path: Path) -> Source:
    import tarfile
    import zipfile

    kind = kind_of(path.name)
    if not kind and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
        kind = "archive"
    name = printable(path.name)
    return _open_packed(path, name, kind) or FileSource([(name, str(path))])
