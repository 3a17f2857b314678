"""Where music comes from: folders, files, archives, npz of rolls, and the corpora that libraries know by name."""

from __future__ import annotations

from pathlib import Path

from bgmusic.errors import UserError
from bgmusic.music.corpora.sources.archives import open_archive
from bgmusic.music.corpora.sources.base import BrokenSource, Source, kind_of, printable
from bgmusic.music.corpora.sources.folder import FileSource, walk
from bgmusic.music.corpora.sources.musegan import MuseganSource, is_musegan


def open_sources(given: list[str]) -> tuple[list[Source], dict[str, int]]:
    """The sources behind the user's words, and how many files of which other suffixes were ignored.

    A word is a folder, a file (MIDI, npz, archive), ``music21:NAME``, or ``muspy:NAME``.

    Raises:
        UserError: there is no such file, corpus or dataset, or an archive named outright is damaged.

    """
    sources: list[Source] = []
    ignored: dict[str, int] = {}
    for word in given:
        scheme, _, name = word.partition(":")
        if scheme == "music21":
            from bgmusic.music.corpora.sources.music21_corpus import Music21Source

            sources.append(Music21Source(name))
        elif scheme == "muspy":
            from bgmusic.music.corpora.sources.muspy_dataset import MuspySource

            sources.append(MuspySource(name))
        elif word and Path(word).is_dir():
            sources.extend(_open_folder(Path(word), ignored))
        elif Path(word).is_file():
            sources.append(_open_file(Path(word)))
        else:
            raise UserError(f"no source {word!r}: give a folder, a file, music21:NAME or muspy:NAME")
    return sources, ignored


def _open_folder(folder: Path, ignored: dict[str, int]) -> list[Source]:
    """The files below a folder, in the order of their paths; runs of single files are one source."""
    sources: list[Source] = []
    single: list[tuple[str, str]] = []  # there may be hundreds of thousands: no objects but text
    base = folder.resolve().name
    broken: list[tuple[Path, str]] = []

    def named(path: Path) -> str:
        return printable(f"{base}/{path.relative_to(folder).as_posix()}")

    for path in walk(folder, broken):
        name = named(path)
        kind = kind_of(path.name)
        try:
            opened = _open_packed(path, name, kind)
        except UserError as error:  # named outright it would end the build, among others it is left out
            opened = BrokenSource(name, str(error))
        if opened is not None:
            sources.extend([FileSource(single), opened] if single else [opened])
            single = []
        elif kind:
            single.append((name, str(path)))
        else:
            suffix = printable(path.suffix.lower()[:20]) or "(none)"
            ignored[suffix] = ignored.get(suffix, 0) + 1
    sources.extend([FileSource(single)] if single else [])
    return [*sources, *(BrokenSource(named(path), reason) for path, reason in broken)]


def _open_packed(path: Path, name: str, kind: str) -> Source | None:
    """The source inside a file that holds many pieces; None for a single piece."""
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
