"""Parts: what the workers make of one chunk of entries, kept on disk until the corpus is put together."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.corpora.piece import Piece, read_piece
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.tiles import plane_bytes, plane_count
from bgmusic.music.sources.base import Entry, content_of
from bgmusic.music.sources.folder import read_file

# In the order in which they lie on disk. The planes, nearly all of a part, are copied without a look at them.
ARRAYS = ("ranges", "bars", "passages", "phrases", "prints", "print_owners", "planes")
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Part:
    """The pieces of one chunk, joined: as ``Piece``, with numbers that count within the part.

    ``passages`` (n, 4): piece, first bar, row, bars; tile numbers in ``bars`` count from 1, 0 is silence.
    ``prints`` and ``print_owners`` (n,): fingerprints and the pieces that have them. ``pieces`` are the records
    of the pieces kept, ``skipped`` those of the entries left out.
    """

    planes: NDArray[np.uint8]
    ranges: NDArray[np.uint8]
    bars: NDArray[np.uint32]
    passages: NDArray[np.uint32]
    phrases: NDArray[np.uint32]
    prints: NDArray[np.uint64]
    print_owners: NDArray[np.int64]
    pieces: list[dict[str, Any]]
    skipped: list[dict[str, Any]]

    def pack(self) -> bytes:
        """The part as bytes; ``load`` reads them back.

        A line of JSON says the types and shapes of the arrays that follow, and their CRC-32; the records come
        first, the planes last. Nothing is compressed: parts live no longer than their build.
        """
        records = json.dumps([self.pieces, self.skipped]).encode()
        arrays = {"records": np.frombuffer(records, np.uint8), **{name: getattr(self, name) for name in ARRAYS}}
        body = [np.ascontiguousarray(array).data for array in arrays.values()]
        crc = 0
        for array in body:
            crc = zlib.crc32(array, crc)
        head = {"crc32": crc, "arrays": {name: (array.dtype.str, array.shape) for name, array in arrays.items()}}
        return b"".join([json.dumps(head).encode() + b"\n", *body])

    @staticmethod
    def load(file: IO[bytes]) -> Part:
        """Read a part but for its planes, where the file then stands: one for each row of ``ranges``."""
        arrays: dict[str, Any] = {"planes": np.zeros(0, np.uint8)}
        for name, (dtype, shape) in json.loads(file.readline())["arrays"].items():
            if name != "planes":
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


def make_part(chunk: list[tuple[Entry, bytes | str | None]], settings: Settings) -> bytes:
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
    tracks, planes = len(settings.track_set), plane_count(settings.encoding)
    size = plane_bytes(settings.steps, settings.track_set.pitches)

    def offsets(counts: list[int]) -> list[int]:
        return [0, *np.cumsum(counts).tolist()][: len(counts)]

    tile = offsets([len(piece.tiles.planes) for piece in pieces])
    row = offsets([len(piece.tiles.bars) for piece in pieces])
    passage = offsets([len(piece.passages) for piece in pieces])
    numbered = [(p, i) for i, p in enumerate(pieces)]

    def joined(arrays: list[NDArray[Any]], empty: tuple[int, ...], dtype: str) -> NDArray[Any]:
        return np.concatenate([np.zeros((0, *empty), dtype), *arrays]).astype(dtype, copy=False)

    return Part(
        planes=joined([p.tiles.planes for p in pieces], (planes, size), "u1"),
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
    )
