"""Pack one chunk of entries into a part: a temporary file that holds its pieces until the corpus is assembled."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.corpora.piece import Piece, read_piece
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.sources.base import Entry, content_of
from bgmusic.music.corpora.sources.folder import read_file

ARRAYS = ("ranges", "bars", "passages", "phrases", "prints", "print_owners")
_BLOCK_BYTES = 1 << 20

Bytes: TypeAlias = bytes | memoryview


@dataclass(frozen=True, eq=False)
class Part:
    """The pieces of one chunk, with their arrays joined; all indices count within the part.

    Attributes:
        ranges: (tiles, 2): lowest and highest row with a note, of every tile.
        bars: (rows, tracks): the tile of each bar and track; tiles count from 1, 0 is silence.
        passages: (n, 4): piece, first bar in the piece, first row in ``bars``, number of bars.
        phrases: (n, 2): passage, and first bar within it.
        prints: (n,): fingerprints.
        print_owners: (n,): the piece of each fingerprint.
        pieces: the records of the pieces.
        skipped: the records of the skipped entries.
        planes: the packed tiles of each piece, not joined: they are most of the data.

    """

    ranges: NDArray[np.uint8]
    bars: NDArray[np.uint32]
    passages: NDArray[np.uint32]
    phrases: NDArray[np.uint32]
    prints: NDArray[np.uint64]
    print_owners: NDArray[np.int64]
    pieces: list[dict[str, Any]]
    skipped: list[dict[str, Any]]
    planes: list[NDArray[np.uint8]] = field(default_factory=list)

    def pack(self) -> list[Bytes]:
        """Return the part as a list of byte strings to be written one after the other; ``load`` reads them.

        The first is a line of JSON with the types and shapes of the arrays and the CRC-32 of all that follows: the
        records, the arrays, and the planes. The planes are not copied. Parts are temporary, so they are not
        compressed.
        """
        records = json.dumps([self.pieces, self.skipped]).encode()
        arrays = {"records": np.frombuffer(records, np.uint8), **{name: getattr(self, name) for name in ARRAYS}}
        body = [array.tobytes() for array in arrays.values()]
        body += [planes.data.cast("B") for planes in self.planes if planes.size]
        crc = 0
        for content in body:
            crc = zlib.crc32(content, crc)
        head = {"crc32": crc, "arrays": {name: (array.dtype.str, array.shape) for name, array in arrays.items()}}
        return [json.dumps(head).encode() + b"\n", *body]

    @staticmethod
    def load(file: IO[bytes]) -> Part:
        """Read a part up to its planes; the file is then positioned at them, one for each row of ``ranges``."""
        arrays: dict[str, Any] = {}
        for name, (dtype, shape) in json.loads(file.readline())["arrays"].items():
            content = file.read(prod(shape) * np.dtype(dtype).itemsize)
            arrays[name] = np.frombuffer(content, dtype).reshape(shape)
        pieces, skipped = json.loads(arrays.pop("records").tobytes())
        return Part(pieces=pieces, skipped=skipped, **arrays)


def is_whole(path: Path) -> bool:
    """Return whether a part exists and its checksum is right.

    Parts are written without fsync, so a power failure may damage them.
    """
    try:
        with path.open("rb") as file:
            expected, crc = json.loads(file.readline())["crc32"], 0
            while block := file.read(_BLOCK_BYTES):
                crc = zlib.crc32(block, crc)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(crc == expected)


def make_part(chunk: list[tuple[Entry, bytes | str | None]], settings: Settings) -> list[Bytes]:
    """Pack a chunk of entries into a part; this is the task of a worker.

    Args:
        chunk: entries, each with its content, or the reason (str) why it could not be read, or None for a file on
            this machine that is to be read here.
        settings: the settings of the corpus.

    Returns:
        The part, see ``Part.pack``.

    """
    pieces: list[Piece] = []
    skipped: list[dict[str, Any]] = []
    for entry, known in chunk:
        content = content_of(read_file, entry) if known is None else known
        if isinstance(content, str):
            skipped.append({"name": entry.name, "skipped": content})
            continue
        piece = read_piece(entry, content, settings)
        if isinstance(piece, Piece):
            pieces.append(piece)
        else:
            skipped.append(piece)
    return _join(pieces, skipped, settings).pack()


def _join(pieces: list[Piece], skipped: list[dict[str, Any]], settings: Settings) -> Part:
    tracks = len(settings.shape.track_set)

    def offsets(counts: list[int]) -> list[int]:
        return [0, *np.cumsum(counts).tolist()][: len(counts)]

    tile = offsets([len(piece.tiles.planes) for piece in pieces])
    row = offsets([len(piece.tiles.bars) for piece in pieces])
    passage = offsets([len(piece.passages) for piece in pieces])
    numbered = [(p, i) for i, p in enumerate(pieces)]

    def joined(arrays: list[NDArray[Any]], empty: tuple[int, ...], dtype: str) -> NDArray[Any]:
        return np.concatenate([np.zeros((0, *empty), dtype), *arrays]).astype(dtype, copy=False)

    return Part(
        ranges=joined([p.tiles.ranges for p in pieces], (2,), "u1"),
        bars=joined(
            [np.where(p.tiles.bars > 0, p.tiles.bars + np.uint32(tile[i]), 0) for p, i in numbered], (tracks,), "u4"
        ),
        passages=joined(
            [np.insert(p.passages + np.array([0, row[i], 0]), 0, i, axis=1) for p, i in numbered], (4,), "u4"
        ),
        phrases=joined([p.phrases + np.array([passage[i], 0]) for p, i in numbered], (2,), "u4"),
        prints=joined([p.prints for p in pieces], (), "u8"),
        print_owners=joined([np.full(len(p.prints), i) for p, i in numbered], (), "i8"),
        pieces=[piece.record for piece in pieces],
        skipped=skipped,
        planes=[piece.tiles.planes for piece in pieces],
    )
