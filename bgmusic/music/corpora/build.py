"""Building a corpus: list the entries, let workers pack them chunk by chunk, put the parts together.

Chunks depend on the entries alone, and parts are joined in their order, so the result does not depend on
the number of workers. Finished parts stay in ``OUT/.building``: an interrupted build goes on from there.
While workers make parts, this process joins those that are ready.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
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
_FORMAT = 3  # of parts: a build that an older version began starts afresh

Numbered = tuple[int, Entry]  # the number of a source, and one of its entries
Task = list[tuple[Entry, bytes | str | None]]  # entries with what ``make_part`` takes of each
Progress = Callable[[int, int], None]  # entries done, of how many


@dataclass(frozen=True)
class Workers:
    """Who does the work: ``jobs`` processes of this machine, or a Dask cluster at ``scheduler``."""

    jobs: int = 1
    backend: str = "loky"
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UserError(f"--jobs {self.jobs} is below 1")
        if self.backend not in ("loky", "dask"):
            raise UserError(f"backend {self.backend!r} is neither loky nor dask")
        if (self.backend == "dask") != (self.scheduler is not None):
            raise UserError("--backend dask and --scheduler ADDRESS belong together")


def build_corpus(
    words: list[str],
    out: Path,
    settings: Settings,
    *,
    workers: Workers | None = None,
    compress: bool = False,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Build a packed corpus in the folder ``out`` from the sources ``words``; returns what meta.json says.

    ``compress`` stores the arrays within xz: a tenth of the size, but unpacked into memory when opened.

    Raises:
        UserError: a source can't be found, none holds a single phrase, or ``out`` holds a corpus already.
        OSError: ``out`` can't be written.

    """
    if (out / META).exists() and not overwrite:
        raise UserError(f"{out} holds a corpus already: give another folder, or --overwrite")
    sources, ignored = open_sources(words)
    was_there = out.exists()
    try:
        entries = [(number, entry) for number, source in enumerate(sources) for entry in source.entries()]
        if not entries:
            raise UserError(f"nothing in {', '.join(words)} is music: no MIDI file, no npz of rolls, no archive")
        chunks = list(_chunks(entries))
        building = _prepare(out, _digest(entries, settings))
        paths = [building / f"part-{number:06}.bin" for number in range(len(chunks))]
        about = {"sources": [_shown(word) for word in words], "ignored_files": dict(sorted(ignored.items()))}
        with Assembly(building, settings) as assembly:
            for path in _make_parts(chunks, paths, sources, settings, workers or Workers(), progress):
                assembly.add(path)
            meta = assembly.finish(out, about, compress)
    except NoPhrase:  # nor anything to go on with
        shutil.rmtree(building)
        if not was_there:
            out.rmdir()
        raise
    finally:
        for source in sources:
            source.close()
    shutil.rmtree(building)
    return meta


def _shown(word: str) -> str:
    """A source without the folders that lead to it, which are no one's business and differ everywhere."""
    if word.startswith(("music21:", "muspy:")):
        return word.partition("=")[0]
    return printable(Path(word).resolve().name)


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
    """A hash of everything that the parts depend on."""
    digest = hashlib.sha256(json.dumps([_FORMAT, settings.to_dict()], sort_keys=True).encode())
    for number, entry in entries:
        digest.update(repr((number, entry)).encode())
    return digest.hexdigest()


def _prepare(out: Path, digest: str) -> Path:
    """The folder of the parts; what another build left in it is deleted."""
    building = out / BUILDING
    plan = building / "plan.txt"
    if building.is_dir() and not (plan.is_file() and plan.read_text() == digest):
        shutil.rmtree(building)
    building.mkdir(parents=True, exist_ok=True)
    write_text(plan, digest)
    return building


def _make_parts(
    chunks: list[list[Numbered]],
    paths: list[Path],
    sources: list[Source],
    settings: Settings,
    workers: Workers,
    progress: Progress,
) -> Iterator[Path]:
    """Make the parts that are not there yet; yields all, in their order, each as soon as it and those before are."""
    missing = {number for number, path in enumerate(paths) if not is_whole(path)}
    total = sum(len(chunk) for chunk in chunks)
    done = total - sum(len(chunks[number]) for number in missing)
    progress(done, total)
    to_make = sorted(missing)
    here = workers.backend == "loky"
    tasks = ([(entry, _given(sources[s], entry, here)) for s, entry in chunks[number]] for number in to_make)
    made = _run([paths[number] for number in to_make], tasks, settings, workers)
    for number, path in enumerate(paths):
        if number in missing:
            next(made)
            done += len(chunks[number])
            progress(done, total)
        yield path


def _given(source: Source, entry: Entry, here: bool) -> bytes | str | None:
    """What a worker is given of an entry: nothing, when it is on this machine and can read the file itself."""
    return None if here and isinstance(source, FileSource) else content_of(source.read, entry)


def _run(paths: list[Path], tasks: Iterator[Task], settings: Settings, workers: Workers) -> Iterator[None]:
    """Make and write the parts in their order, and yield after each.

    Few tasks are read ahead, so memory does not grow with their number.
    """
    if workers.backend == "dask":
        from bgmusic.music.corpora.cluster import run_on_cluster

        # Its workers may have disks of their own.
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
                "a worker process died (was it out of memory?): the same command goes on from there"
            ) from None
        finally:
            with warnings.catch_warnings():  # where the build failed, joblib says that tasks were for nothing
                warnings.simplefilter("ignore")
                made.close()


def _joined(task: Task, settings: Settings) -> bytes:
    return b"".join(make_part(task, settings))


def _make_and_write(path: Path, task: Task, settings: Settings) -> None:
    _write_part(path, make_part(task, settings))


def _write_part(path: Path, part: list[Bytes]) -> None:
    # Nobody waits for the disk: what a power failure takes ``is_whole`` finds, and it is made again.
    with atomic_write(path, sync=False) as file:
        file.writelines(part)
