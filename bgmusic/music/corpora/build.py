"""Build a corpus: list the entries of all sources, pack them chunk by chunk in workers, assemble the parts.

Chunks depend on the entries alone and parts are assembled in order, so the result does not depend on the number of
workers. Finished parts stay in ``OUT/.building``, from which an interrupted build resumes. Parts are assembled while
workers make the next ones.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgmusic.errors import UserError
from bgmusic.files import atomic_write, write_text
from bgmusic.music.corpora.assemble import META, Assembly, NoPhrase
from bgmusic.music.corpora.parts import Bytes, is_whole, make_part
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.sources import open_sources
from bgmusic.music.corpora.sources.base import Entry, Source, content_of, printable
from bgmusic.music.corpora.sources.folder import FileSource

BUILDING = ".building"
CHUNK_ENTRIES = 32
CHUNK_BYTES = 4 << 20
_FORMAT = 3  # version of the part files: a build begun with another version restarts

Numbered = tuple[int, Entry]  # index of a source, and one of its entries
Task = list[tuple[Entry, bytes | str | None]]  # a chunk of entries with their contents, see ``make_part``
Progress = Callable[[int, int], None]  # progress callback: entries done, total entries


@dataclass(frozen=True)
class Workers:
    """The workers of a build: ``jobs`` processes on this machine, or a Dask cluster.

    Args:
        jobs: number of processes, for the backend "loky".
        backend: "loky" (this machine) or "dask".
        scheduler: address of the Dask scheduler, for the backend "dask".

    Raises:
        UserError: a value is out of range, or the backend and the scheduler don't match.

    """

    jobs: int = 1
    backend: str = "loky"
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UserError(f"--jobs {self.jobs} must be 1 or more")
        if self.backend not in ("loky", "dask"):
            raise UserError(f"backend {self.backend!r} is not loky or dask")
        if (self.backend == "dask") != (self.scheduler is not None):
            raise UserError("--backend dask and --scheduler ADDRESS must be given together")


def build_corpus(
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    settings: Settings,
    *,
    workers: Workers | None = None,
    compress: bool = False,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Build a packed corpus in the folder ``out``; return the content of its meta.json.

    Args:
        sources: folders, files (MIDI, npz, archives), ``music21:NAME`` or ``muspy:NAME``; one or several.
        out: the folder of the corpus. An interrupted build resumes in it.
        settings: the shape of phrases, and the rules for what becomes a phrase.
        workers: processes or cluster; None means this process alone.
        compress: compress the arrays with xz: a tenth of the size, but decompressed into memory when opened.
        overwrite: replace an older corpus in ``out``.
        progress: callback, called with the number of entries done and in all.

    Raises:
        UserError: a source does not exist, no source contains a phrase, or ``out`` holds a corpus or other files.
        OSError: ``out`` can't be written.

    """
    names = [str(source) for source in ([sources] if isinstance(sources, (str, Path)) else sources)]
    out = Path(out)
    _require_place(out, overwrite)
    opened, ignored = open_sources(names)
    was_there = out.exists()
    try:
        entries = [(number, entry) for number, source in enumerate(opened) for entry in source.entries()]
        if not entries:
            raise UserError(f"no music in {', '.join(names)}: no MIDI file, npz of rolls, or archive")
        chunks = list(_chunks(entries))
        building = _prepare(out, _digest(entries, settings))
        paths = [building / f"part-{number:06}.bin" for number in range(len(chunks))]
        about = {"sources": [_shown(name) for name in names], "ignored_files": dict(sorted(ignored.items()))}
        with Assembly(building, settings) as assembly:
            for path in _make_parts(chunks, paths, opened, settings, workers or Workers(), progress):
                assembly.add(path)
            meta = assembly.finish(out, about, compress)
    except NoPhrase:  # there is nothing to resume
        shutil.rmtree(building)
        if not was_there:
            out.rmdir()
        raise
    finally:
        for source in opened:
            source.close()
    shutil.rmtree(building)
    return meta


def _require_place(out: Path, overwrite: bool) -> None:
    """Check that a corpus can be built in a folder: in a new or empty one, or in place of a corpus."""
    if (out / META).exists():
        if not overwrite:
            raise UserError(f"{out} already holds a corpus: give another folder, or --overwrite")
    elif out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: give a folder")
    elif out.is_dir() and not (out / BUILDING).is_dir():
        others = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
        if others:
            raise UserError(f"{out} is no corpus, but holds {printable(others[0])}: give a new folder")


def _shown(name: str) -> str:
    """Return the name of a source without its parent folders, which are private and differ between machines."""
    if name.startswith(("music21:", "muspy:")):
        return name.partition("=")[0]
    return printable(Path(name).resolve().name)


def _chunks(entries: list[Numbered]) -> Iterator[list[Numbered]]:
    chunk: list[Numbered] = []
    size = 0
    for numbered in entries:
        if chunk and (len(chunk) == CHUNK_ENTRIES or size + numbered[1].size > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(numbered)
        size += numbered[1].size
    if chunk:
        yield chunk


def _digest(entries: list[Numbered], settings: Settings) -> str:
    """Return a hash of everything that determines the content of the parts."""
    digest = hashlib.sha256(json.dumps([_FORMAT, settings.to_dict()], sort_keys=True).encode())
    for number, entry in entries:
        digest.update(repr((number, entry)).encode())
    return digest.hexdigest()


def _prepare(out: Path, digest: str) -> Path:
    """Make the folder of the parts, or delete the parts of a different build from it."""
    building = out / BUILDING
    known = building / "plan.txt"
    if building.is_dir() and not (known.is_file() and known.read_text() == digest):
        shutil.rmtree(building)
    building.mkdir(parents=True, exist_ok=True)
    write_text(known, digest)
    return building


def _make_parts(
    chunks: list[list[Numbered]],
    paths: list[Path],
    sources: list[Source],
    settings: Settings,
    workers: Workers,
    progress: Progress,
) -> Iterator[Path]:
    """Make the missing parts; yield the paths of all parts in order, each as soon as it is complete."""
    missing = {number for number, path in enumerate(paths) if not is_whole(path)}
    total = sum(len(chunk) for chunk in chunks)
    done = total - sum(len(chunks[number]) for number in missing)
    progress(done, total)
    to_make = sorted(missing)
    here = workers.backend == "loky"
    tasks = ([(entry, _content(sources[s], entry, here)) for s, entry in chunks[number]] for number in to_make)
    parts = _run([paths[number] for number in to_make], tasks, settings, workers)
    for number, path in enumerate(paths):
        if number in missing:
            next(parts)
            done += len(chunks[number])
            progress(done, total)
        yield path


def _content(source: Source, entry: Entry, here: bool) -> bytes | str | None:
    """Return the content of an entry; None if the worker is on this machine and can read the file itself."""
    return None if here and isinstance(source, FileSource) else content_of(source.read, entry)


def _run(paths: list[Path], tasks: Iterator[Task], settings: Settings, workers: Workers) -> Iterator[None]:
    """Make and write the parts in order; yield after each.

    Only a few tasks are read ahead, so memory does not grow with their number.
    """
    if workers.backend == "dask":
        from bgmusic.music.corpora.cluster import run_on_cluster

        # This process writes the parts: the workers may not share its disk.
        for path, part in zip(paths, run_on_cluster(_joined, tasks, settings, str(workers.scheduler)), strict=True):
            _write_part(path, [part])
            yield
    elif workers.jobs == 1:
        for path, task in zip(paths, tasks, strict=True):
            _write_part(path, make_part(task, settings))
            yield
    else:
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        parallel = Parallel(n_jobs=workers.jobs, return_as="generator", pre_dispatch=2 * workers.jobs, batch_size=1)
        made = parallel(delayed(_make_and_write)(path, task, settings) for path, task in zip(paths, tasks, strict=True))
        try:
            for _ in made:
                yield
        except TerminatedWorkerError:
            raise UserError(
                "a worker process died, perhaps out of memory; run the same command again to resume"
            ) from None
        finally:
            with warnings.catch_warnings():  # after a failed build, joblib warns of unused results
                warnings.simplefilter("ignore")
                made.close()


def _joined(task: Task, settings: Settings) -> bytes:
    return b"".join(make_part(task, settings))


def _make_and_write(path: Path, task: Task, settings: Settings) -> None:
    _write_part(path, make_part(task, settings))


def _write_part(path: Path, part: list[Bytes]) -> None:
    # No fsync: after a power failure, ``is_whole`` finds damaged parts, and they are made again.
    with atomic_write(path, sync=False) as file:
        file.writelines(part)
