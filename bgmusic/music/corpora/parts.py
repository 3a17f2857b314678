"""Parts: what the workers make of one chunk of entries, kept on disk until the corpus is put together."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.corpora.piece import Piece, read_piece
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.tiles import plane_bytes, plane_count
from bgmusic.music.sources.base import Entry

ARRAYS = ("ranges", "bars", "passages", "phrases", "prints", "print_owners", "planes")


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

        A line of JSON says the types and shapes of the arrays that follow, the records first, the planes last.
        Nothing is compressed or summed up: a part lives in its build's own folder, and is written whole or not
        at all.
        """
        records = json.dumps([self.pieces, self.skipped]).encode()
        arrays = {"records": np.frombuffer(records, np.uint8), **{name: getattr(self, name) for name in ARRAYS}}
        described = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
        head = json.dumps(described).encode() + b"\n"
        return b"".join([head, *(np.ascontiguousarray(array).data for array in arrays.values())])

    @staticmethod
    def load(path: Path, names: Sequence[str] = ARRAYS) -> Part:
        """Read a part; of the arrays only those ``names``, the others empty."""
        with path.open("rb") as file:
            arrays: dict[str, Any] = {}
            for name, (dtype, shape) in json.loads(file.readline()).items():
                count = prod(shape)
                if name == "records" or name in names:
                    arrays[name] = np.fromfile(file, dtype, count).reshape(shape)
                else:
                    file.seek(count * np.dtype(dtype).itemsize, os.SEEK_CUR)
                    arrays[name] = np.zeros(0, dtype)
        pieces, skipped = json.loads(arrays.pop("records").tobytes())
        return Part(pieces=pieces, skipped=skipped, **arrays)


def make_part(chunk: list[tuple[Entry, bytes | str]], settings: Settings) -> bytes:
    """What a worker does: entries with their bytes, or with the reason why these could not be read, become a part.

    It comes packed, so that whoever collects the parts has nothing to do but to write them down.
    """
    pieces: list[Piece] = []
    skipped: list[dict[str, Any]] = []
    for entry, content in chunk:
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
