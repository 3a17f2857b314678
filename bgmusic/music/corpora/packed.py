"""Open the files of a packed corpus: read its index, map its arrays into memory, check every number.

A corpus is untrusted input: types, sizes and all indices are checked before use, and a damaged corpus raises one
clear error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.corpora.assemble import FORMAT, META, VERSIONS, version_of
from bgmusic.music.corpora.records import Record, read_records
from bgmusic.music.corpora.row_files import read_rows
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.shards import Shards
from bgmusic.music.corpora.split import SPLITS, Split
from bgmusic.music.corpora.tiles import plane_bytes, plane_count
from bgmusic.music.corpora.timing import check_timing
from bgmusic.music.rolls.encodings import Encoding
from bgmusic.music.rolls.tracks import TrackSet

MAX_META_BYTES = 1 << 30
_BLOCK_ROWS = 1 << 18


class PackedCorpus:
    """The index and the packed arrays of the corpus in the folder ``path``.

    Attributes:
        meta: the content of meta.json.
        settings: the settings that the corpus was built with.
        pieces: one record per piece: name, split, key, tempo, losses, ...
        passages: (n, 4): piece, first bar in the piece, first row in ``bars``, number of bars.
        phrases: (n, 2): passage, and first bar within it.
        bars: (rows, tracks): the tile of each bar and track.
        ranges: (tiles, 2): lowest and highest row (pitch) with a note.
        shards: arrays (tiles, planes, plane_bytes) of packed bits, mapped into memory.
        bits: the planes of all tiles: plane p of tile t is row ``t * planes + p``.

    Raises:
        UserError: the folder holds no corpus, or a damaged one; the text says which file, and how.

    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.meta = read_meta(self.path / META)
        try:
            self._open(self.meta)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            self._damaged(f"{type(error).__name__}: {error}")
        except UserError as error:
            raise UserError(f"corpus {self.path}: {error}") from None
        self._check()

    def _open(self, meta: dict[str, Any]) -> None:
        self.settings = Settings.from_dict(meta["settings"])
        if meta["version"] != version_of(self.settings):
            self._damaged(f"its settings are not those of version {meta['version']}")
        layout, shape = meta["layout"], self.settings.shape
        suffix = ".npy.xz" if layout["compressed"] else ".npy"
        sizes = {name: layout[name] for name in ("tiles", "bars", "passages", "phrases")}
        sizes |= {shard["file"]: shard["tiles"] for shard in layout["shards"]}
        if not all(type(size) is int and 0 <= size < 1 << 32 for size in sizes.values()):
            self._damaged(f"{META} gives impossible sizes")
        self.passages = read_rows(self.path / f"passages{suffix}", "<u4", sizes["passages"], (4,))
        self.phrases = read_rows(self.path / f"phrases{suffix}", "<u4", sizes["phrases"], (2,))
        self.bars = read_rows(self.path / f"bars{suffix}", "<u4", sizes["bars"], (len(shape.track_set),))
        self.ranges = read_rows(self.path / f"ranges{suffix}", "u1", sizes["tiles"], (2,))
        row = (plane_count(shape.encoding), plane_bytes(shape.steps, shape.track_set.pitches))
        self.shards = []
        for number, shard in enumerate(layout["shards"]):
            if shard["file"] != f"bits-{number:05}{suffix}":  # a name must not lead out of the folder
                self._damaged(f"{META} names {str(shard['file'])[:80]!r} as a shard")
            self.shards.append(read_rows(self.path / shard["file"], "u1", shard["tiles"], row))
        self.bits = Shards(self.shards)
        self.pieces: Sequence[Record] = meta["pieces"]
        self._split_of = np.array([SPLITS.index(_split(piece)) for piece in self.pieces], np.uint8)

    def _check(self) -> None:
        """Check that every index points inside the array that it refers to."""
        piece, _, row, length = self.passages.astype(np.int64).T
        if sum(len(shard) for shard in self.shards) != len(self.ranges) or not len(self.ranges):
            self._damaged("the number of tiles in its shards differs from that in ranges")
        if (piece >= len(self.pieces)).any() or (row + length > len(self.bars)).any():
            self._damaged("a passage points outside the pieces or the bars")
        if int(length.sum()) > len(self.bars):  # all are iterated: a few kilobytes could claim billions of bars
            self._damaged("its passages overlap")
        for some in _blocks(len(self)):
            passage, bar = self.phrases[some].astype(np.int64).T
            if int(passage.max()) >= len(length) or (bar + self.settings.shape.bars > length[passage]).any():
                self._damaged("a phrase points outside its passage")
        if self.bars.size and int(self.bars.max()) >= len(self.ranges):
            self._damaged("a bar points outside the tiles")

    def _damaged(self, reason: str) -> NoReturn:
        raise UserError(f"corpus {self.path} is damaged: {reason}")

    def __len__(self) -> int:
        return len(self.phrases)

    @property
    def track_set(self) -> TrackSet:
        """The tracks of every phrase."""
        return self.settings.shape.track_set

    @property
    def resolution(self) -> int:
        """Steps per beat (quarter note)."""
        return self.settings.shape.resolution

    @property
    def encoding(self) -> Encoding:
        """The stored encoding, ``onset`` (lossless) or ``pause``; ``pause`` can be derived from ``onset``."""
        return self.settings.shape.encoding

    @cached_property
    def piece_of_phrase(self) -> NDArray[np.int64]:
        """The piece of every phrase: int64 (phrases,)."""
        return self.pieces_of(np.arange(len(self)))

    def pieces_of(self, numbers: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the pieces of phrases with these indices: int64 (n,)."""
        pieces: NDArray[np.int64] = self.passages[self.phrases[numbers, 0], 0].astype(np.int64)
        return pieces

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the corpus's source files, their splits, and the positions of its phrases; 16 hex digits.

        It identifies a corpus independently of its folder.
        """
        digest = hashlib.sha256(b"[")
        for number, piece in enumerate(self.pieces):
            digest.update(b", " * (number > 0) + json.dumps((piece.get("sha256"), piece["split"])).encode())
        digest.update(b"]")
        for rows in (self.passages, self.phrases):
            digest.update(np.ascontiguousarray(rows).data.cast("B") if rows.size else b"")
        return digest.hexdigest()[:16]

    def indices(self, split: Split | None = None) -> NDArray[np.int64]:
        """Return the indices of the phrases of one split (None: of all splits), ascending.

        Raises:
            UserError: the split is unknown.

        """
        if split is None:
            return np.arange(len(self))
        if split not in SPLITS:
            raise UserError(f"split {split!r} is not one of {', '.join(SPLITS)}")
        chosen = (self._split_of == SPLITS.index(split))[self.passages[:, 0]]  # of passages
        found = [np.flatnonzero(chosen[self.phrases[some, 0]]) + some.start for some in _blocks(len(self))]
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def tiles(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return packed tiles by their numbers: uint8 ``(*numbers.shape, planes, plane_bytes)``.

        Raises:
            TypeError: ``numbers`` are not integers.
            IndexError: a number is out of range.

        """
        if not np.issubdtype(numbers.dtype, np.integer):
            raise TypeError(f"tile numbers must be integers, not {numbers.dtype}")
        planes = self.shards[0].shape[1]
        flat = numbers.reshape(-1)
        if len(flat) and not (flat.min() >= 0 and flat.max() < len(self.ranges)):
            raise IndexError(f"tile numbers must be within 0 to {len(self.ranges) - 1}")
        packed = self.bits.take((flat[:, None] * planes + np.arange(planes)).reshape(-1))
        return packed.reshape(*numbers.shape, planes, packed.shape[1])

    def rows(self, passage: NDArray[np.int64], bar: NDArray[np.int64], before: int = 0) -> NDArray[np.int64]:
        """Return the tiles of phrases that start at these bars (n,) of passages (n,): (n, bars, tracks).

        The phrases must lie within their passages. ``before`` more bars come before each; where the passage has none,
        they are silent.
        """
        places = bar[:, None] + np.arange(-before, self.settings.shape.bars)
        first = self.passages[passage, 2].astype(np.int64)[:, None]
        rows: NDArray[np.int64] = self.bars[first + places.clip(0)].astype(np.int64)
        rows[places < 0] = 0
        return rows

    def planes(self, numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return the phrases with these indices (n,): boolean (planes, n, tracks, bars, steps, pitches).

        Plane 0 has the cells; in the onset encoding, plane 1 has the onsets. The indices must be in range.
        """
        shape = self.settings.shape
        passage, bar = self.phrases[numbers].astype(np.int64).T
        packed = np.moveaxis(self.tiles(self.rows(passage, bar).transpose(0, 2, 1)), 3, 0)
        cells = np.unpackbits(packed, axis=-1, count=shape.steps * shape.track_set.pitches).view(np.bool_)
        return cells.reshape(*packed.shape[:4], shape.steps, shape.track_set.pitches)


def read_meta(path: Path) -> dict[str, Any]:
    """Read the meta.json of a corpus.

    Raises:
        UserError: it is damaged, or of another format or version.

    """
    try:
        if path.stat().st_size > MAX_META_BYTES:
            raise UserError(f"{path} is larger than {MAX_META_BYTES:,} bytes")
        meta = read_records(path)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise UserError(f"{path} does not describe a corpus")
    if meta.get("version") not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise UserError(f"{path} has format version {str(meta.get('version'))[:20]}; this bgmusic reads {known}")
    return meta


def _split(piece: Record) -> Split:
    """Return the split of a piece, with the fields of its record that are used checked."""
    if not isinstance(piece["name"], str) or piece["split"] not in SPLITS:
        raise ValueError(f"a piece without name or split: {str(piece)[:80]}")
    if not isinstance(piece.get("key"), str | None):
        raise ValueError(f"a piece with an impossible key: {str(piece)[:80]}")
    check_timing(piece)
    split: Split = piece["split"]
    return split


def _blocks(rows: int) -> Iterator[slice]:
    """Cut rows into blocks, whose temporary arrays take little memory."""
    for start in range(0, rows, _BLOCK_ROWS):
        yield slice(start, min(start + _BLOCK_ROWS, rows))
