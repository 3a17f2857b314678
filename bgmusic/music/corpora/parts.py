"""Parts: what the workers make of one chunk of entries, kept on disk until the corpus is put together."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.files import write_bytes
from bgmusic.music.corpora.piece import Piece, read_piece
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.tiles import plane_bytes, plane_count
from bgmusic.music.sources.base import Entry

ARRAYS = ("planes", "ranges", "bars", "passages", "phrases", "prints", "print_owners")


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

    def save(self, path: Path) -> None:
        """Write the part to ``path``, whole or not at all."""
        packed = io.BytesIO()
        records = json.dumps([self.pieces, self.skipped]).encode()
        arrays = {name: getattr(self, name) for name in ARRAYS}
        np.savez(packed, records=np.frombuffer(records, np.uint8), **arrays)
        write_bytes(path, packed.getvalue())

    @staticmethod
    def load(path: Path, names: Sequence[str] = ARRAYS) -> Part:
        """Read a part; of the arrays only those ``names``, the others empty."""
        with np.load(path) as saved:
            pieces, skipped = json.loads(saved["records"].tobytes())
            none = np.zeros(0, np.uint8)
            arrays: dict[str, Any] = {name: saved[name] if name in names else none for name in ARRAYS}
            return Part(pieces=pieces, skipped=skipped, **arrays)


def make_part(chunk: list[tuple[Entry, bytes | str]], settings: Settings) -> Part:
    """What a worker does: entries with their bytes, or with the reason why these could not be read."""
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
    return _join(pieces, skipped, settings)


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
