"""Parts: what the workers make of one chunk of entries, kept on disk until the corpus is put together."""

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
    """The pieces of one chunk, joined but for their planes: as ``Piece``, with numbers that count within the part.

    ``passages`` (n, 4): piece, first bar, row, bars; tile numbers in ``bars`` count from 1, 0 is silence.
    ``prints`` and ``print_owners`` (n,): fingerprints and the pieces that have them. ``pieces`` are the records
    of the pieces kept, ``skipped`` those of the entries left out.
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
        """The part as bytes, piece by piece; ``load`` reads them back.

        A line of JSON says the types and shapes of the arrays that follow, and the CRC-32 of all the rest: the
        records, the arrays, and the planes, which are nearly all of it and are copied nowhere but to the disk.
        Nothing is compressed: parts live no longer than their build.
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
        """Read a part but for its planes, where the file then stands: one for each row of ``ranges``."""
        arrays: dict[str, Any] = {}
        for name, (dtype, shape) in json.loads(file.readline())["arrays"].items():
            content = file.read(prod(shape) * np.dtype(dtype).itemsize)
            arrays[name] = np.frombuffer(content, dtype).reshape(shape)
        pieces, skipped = json.loads(arrays.pop("records").tobytes())
        return Part(pieces=pieces, skipped=skipped, **arrays)


def is_whole(path: Path) -> bool:
    """Whether a part is there as it was packed.

    Parts are not waited for until they are on the disk: after a power failure one may lack its content.
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
    """What a worker does: entries become a part, packed.

    Entries come with their bytes, or with the reason why these could not be read, or with None: then they are
    files of this machine, to be read here.
    """
    pieces: list[Piece] = []
    skipped: list[dict[str, Any]] = []
    for entry, given in chunk:
        content = content_of(read_file, entry) if given is None else given
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
    tracks = len(settings.track_set)

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
