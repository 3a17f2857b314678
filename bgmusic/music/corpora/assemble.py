"""Assemble a corpus from parts: append their arrays, group duplicates, assign splits, write meta.json.

Arrays and records are written to disk part by part, so memory hardly grows with the number of files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.files import atomic_write
from bgmusic.music.corpora import duplicates, split
from bgmusic.music.corpora.parts import Part
from bgmusic.music.corpora.records import Record, RecordFile, Records, json_lines, read_records
from bgmusic.music.corpora.row_files import RowFile, compress_file
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.summary import skipped_for_metre
from bgmusic.music.corpora.tiles import SILENT_RANGE, plane_bytes, plane_count

META = "meta.json"
FORMAT = "bgmusic corpus"
VERSIONS = (1, 2)
_PEDAL_RULE = "pitched notes last until the sustain pedal is released or their pitch begins again on their channel"
SHARD_BYTES = 256 << 20
PRINT_FILES = 16  # fingerprints are partitioned by value, so that one file at a time is in memory
# Stored in every meta.json, byte for byte.
LAYOUT = (
    "bits-*.npy: tiles (tiles, planes, plane_bytes) uint8. A tile is one bar of one track, a plane "
    "numpy.packbits of its (steps, pitches) cells: plane 0 the sustained cells, plane 1 (encoding onset) the "
    "onsets. Tile 0 is silent. ranges.npy: lowest and highest row lit of every tile (255, 0: none). bars.npy: "
    "the tile of every bar and track. passages.npy: unbroken runs of bars, as piece, number of its first bar in "
    "the piece (from 0), its row in bars.npy, how many bars. phrases.npy: passage, bar within the passage."
)


class NoPhrase(UserError):
    """No file that was read contains a phrase."""


class Assembly:
    """A corpus in the making: ``add`` appends parts in order, ``finish`` completes the corpus.

    The arrays are written to the temporary ``folder``, so that an older corpus stays until the new one is complete.
    Parts are appended while workers make the next ones.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings, shape = folder, settings, settings.shape
        self._pieces, self._skipped = (RecordFile(folder / f"{name}.jsonl") for name in ("pieces", "skipped"))
        self._row = (plane_count(shape.encoding), plane_bytes(shape.steps, shape.track_set.pitches))
        self._limit = max(1, SHARD_BYTES // (self._row[0] * self._row[1]))
        widths = {"bars": len(shape.track_set), "passages": 4, "phrases": 2}
        self._tables = {name: RowFile(folder / f"{name}.npy", "<u4", (width,)) for name, width in widths.items()}
        self._ranges = RowFile(folder / "ranges.npy", "u1", (2,))
        self._ranges.append(np.array([SILENT_RANGE]))
        self._prints = [RowFile(folder / f"prints-{number:02}.npy", "<u8", (2,)) for number in range(PRINT_FILES)]
        self._shards: list[RowFile] = []
        self._shard().append(np.zeros((1, *self._row), np.uint8))

    def __enter__(self) -> Assembly:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (*self._files(), *self._prints):
            file.close()
        self._pieces.close()
        self._skipped.close()

    def _files(self) -> list[RowFile]:
        return [*self._shards, self._ranges, *self._tables.values()]

    def _shard(self) -> RowFile:
        """Return the shard that the next tile goes to."""
        if not self._shards or self._shards[-1].rows == self._limit:
            path = self._folder / f"bits-{len(self._shards):05}.npy"
            self._shards.append(RowFile(path, "u1", self._row))
        return self._shards[-1]

    def add(self, path: Path) -> None:
        """Append a part, with its indices shifted behind those of the parts before it."""
        with path.open("rb", buffering=0) as raw:
            part = Part.load(raw)
            tables = self._tables
            before = np.uint32(self._ranges.rows - 1)  # a part's first tile is its number 1
            first = {name: file.rows for name, file in tables.items()}
            tables["bars"].append(np.where(part.bars > 0, part.bars + before, 0))
            tables["passages"].append(part.passages + np.array([len(self._pieces), 0, first["bars"], 0], np.uint32))
            tables["phrases"].append(part.phrases + np.array([first["passages"], 0], np.uint32))
            self._ranges.append(part.ranges)
            missing = len(part.ranges)
            while missing:
                shard = self._shard()
                count = min(missing, self._limit - shard.rows)
                shard.copy(raw, count)
                missing -= count
        self._add_prints(part.prints, part.print_owners.astype(np.uint64) + np.uint64(len(self._pieces)))
        self._pieces.append(part.pieces)
        self._skipped.append(part.skipped)

    def _add_prints(self, prints: duplicates.Hashes, owners: NDArray[np.uint64]) -> None:
        number = prints % np.uint64(PRINT_FILES)
        rows = np.stack([owners, prints], axis=1)[np.argsort(number, kind="stable")]
        edges = np.cumsum(np.bincount(number.astype(np.intp), minlength=PRINT_FILES))
        for file, some in zip(self._prints, np.split(rows, edges[:-1]), strict=True):
            file.append(some)

    def finish(self, out: Path, about: dict[str, Any], compress: bool) -> dict[str, Any]:
        """Move the arrays to the folder ``out`` and write meta.json last; return the content of meta.json.

        Args:
            out: the folder of the corpus; an older corpus in it is replaced.
            about: entries of meta.json about the sources.
            compress: compress the arrays with xz.

        Raises:
            NoPhrase: no phrase was added.
            OSError: a file can't be written.

        """
        pieces, skipped = self._pieces.read(), self._skipped.read()
        if not self._tables["phrases"].rows:
            raise NoPhrase(_no_phrase(self._settings, skipped))
        groups, splits, moved = self._group(pieces)
        suffix = ".npy.xz" if compress else ".npy"
        meta = {
            "format": FORMAT,
            "version": version_of(self._settings),
            **about,
            "settings": self._settings.to_dict(),
            "layout": {
                "about": LAYOUT,
                "compressed": compress,
                "shards": [{"file": file.path.stem + suffix, "tiles": file.rows} for file in self._shards],
                "tiles": self._ranges.rows,
                **{name: file.rows for name, file in self._tables.items()},
            },
            "rules": _rules(self._settings, moved),
            "counts": _counts(_grouped(pieces, groups, splits), len(skipped)),
            "losses": _losses(pieces),
            "pieces": _grouped(pieces, groups, splits),
            "skipped": skipped,
        }
        for file in self._files():
            file.finish()
        described = self._folder / META  # written before any file of an older corpus is deleted
        with atomic_write(described, "w", encoding="utf-8", newline="") as text:
            text.writelines(json_lines(meta))
        (out / META).unlink(missing_ok=True)
        for name in ("bits-?????", "ranges", *self._tables):  # of an older corpus; keep the user's other files
            for old in chain(out.glob(f"{name}.npy"), out.glob(f"{name}.npy.xz")):
                old.unlink()
        for file in self._files():
            to = out / (file.path.stem + suffix)
            if compress:
                compress_file(file.path, to)
            else:
                file.path.replace(to)
        described.replace(out / META)
        complete: dict[str, Any] = read_records(out / META)
        return complete

    def _group(self, pieces: Records) -> tuple[list[int], dict[int, split.Split], int]:
        """Return the group of every piece, the split of every group, and how many groups an empty split took."""
        # Identical files are duplicates even if they have no fingerprints.
        files = np.fromiter((int(piece["sha256"][:16], 16) for piece in pieces), np.uint64, len(pieces))
        self._add_prints(files, np.arange(len(pieces), dtype=np.uint64))
        batches = ((rows[:, 0].astype(np.int64), rows[:, 1]) for rows in (file.read() for file in self._prints))
        groups = duplicates.group_pieces(batches, len(pieces)).tolist()
        smallest: dict[int, str] = {}
        for piece, group in zip(pieces, groups, strict=True):
            smallest[group] = min(smallest.get(group, piece["sha256"]), piece["sha256"])
        return groups, *split.assign_splits(smallest, self._settings.shares)


def _no_phrase(settings: Settings, skipped: Records) -> str:
    """Say that no file has a phrase, and what may help."""
    first = "; ".join(f"{s['name']}: {s['skipped']}" for s in skipped[:3])
    hint = "check --metre, --bars, --min-tracks and --min-grid-fit"
    if settings.metre is not None and any(skipped_for_metre(s["skipped"]) for s in skipped):
        hint = f"try --metre any{' or --join' * (not settings.join)}, or {hint}"
    if settings.shape.track_set.by == "part" and any("that sound" in s["skipped"] for s in skipped):
        hint += "; a track set with `by: name` leaves out the parts that no track names"
    return f"no phrase in {_any_of(len(skipped))} ({hint}). {first}"


def _any_of(files: int) -> str:
    return "the file" if files == 1 else f"any of {files} files"


def _grouped(pieces: Records, groups: list[int], splits: dict[int, split.Split]) -> Iterator[Record]:
    """Yield the records of pieces with their groups and splits."""
    for piece, group in zip(pieces, groups, strict=True):
        yield piece | {"group": group, "split": splits[group]}


def version_of(settings: Settings) -> int:
    """Return the version of the format of a corpus: 2 for any metre, which readers of version 1 would misread."""
    return 2 if settings.metre is None else 1


def _rules(settings: Settings, moved: int) -> dict[str, str]:
    """Describe the build rules, as stored in every meta.json; ``moved`` groups are not in the split of their hash."""
    joined = ", joined of shorter ones" if settings.join else ""
    return {
        "phrases": f"{settings.shape.bars} full bars of {settings.metre_name}{joined} in a row, every "
        f"{settings.hop} bars, in which {settings.needed_tracks} or more tracks play at least one note",
        "beat": f"left out are files with less than {settings.min_grid_fit:.0%} of onsets within a quarter step of a "
        "grid, be it this one, a coarser one within it, or one that holds triplets and 1/32 notes",
        **({"pedal": _PEDAL_RULE} if settings.pedal else {}),
        "duplicates": duplicates.RULE,
        "splits": split.RULE + (split.MOVED.format(moved) if moved else ""),
    }


def _counts(pieces: Iterable[Record], skipped: int) -> dict[str, Any]:
    splits = {name: {"pieces": 0, "phrases": 0} for name in split.SPLITS}
    sizes: Counter[int] = Counter()
    for piece in pieces:
        of_split = splits[piece["split"]]
        of_split["pieces"] += 1
        of_split["phrases"] += piece["phrases"]
        sizes[piece["group"]] += 1
    return {
        "pieces": sizes.total(),
        "phrases": sum(of_split["phrases"] for of_split in splits.values()),
        "skipped": skipped,
        "splits": splits,
        "pieces_with_duplicates": sum(size for size in sizes.values() if size > 1),
    }


def _losses(pieces: Iterable[Record]) -> dict[str, Any]:
    """Sum the notes lost by quantization over all pieces; add the share of kept notes that each encoding loses."""
    total: Counter[str] = Counter()
    lost = {"pause": 0.0, "onset": 0.0}
    for piece in pieces:
        counts = {name: count for name, count in piece["losses"].items() if isinstance(count, int)}
        total.update(counts)
        for encoding in lost:
            lost[encoding] += piece["losses"][f"{encoding}_encoding"] * counts.get("kept", 0)
    kept = max(1, total["kept"])
    return dict(total) | {f"{name}_encoding": round(share / kept, 5) for name, share in lost.items()}
