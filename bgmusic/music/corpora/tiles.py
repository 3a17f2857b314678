"""Pack a piece into tiles. A tile is one bar of one track, the unit in which a corpus stores its bits.

A tile has one plane of sustained cells and, in the onset encoding, one of onsets. A plane is ``numpy.packbits`` of
its (steps, pitches) cells in row-major order: the first cell is the highest bit of the first byte. Equal tiles of a
piece are stored once; tile 0 of a corpus is silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.corpora.sources.base import Unreadable
from bgmusic.music.rolls.encodings import Encoding, pause_stops
from bgmusic.music.rolls.grid import StepNotes

MAX_SOUNDING_CELLS = 1 << 22  # per piece; an hour of ten voices at 24 steps per beat has 1.7 million
MAX_TILE_BYTES = 1 << 26
SILENT_RANGE = (255, 0)  # lowest and highest row of a silent tile

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Tiles:
    """The tiles of one piece.

    Attributes:
        planes: uint8 (tiles, planes, bytes), packed bits.
        ranges: uint8 (tiles, 2), lowest and highest row (pitch) with a note.
        bars: uint32 (bars, tracks), the tile of each bar and track: 0 is silence, k is ``planes[k - 1]``.

    """

    planes: Bytes
    ranges: Bytes
    bars: NDArray[np.uint32]


def plane_count(encoding: Encoding) -> int:
    """Return the number of planes of a tile: cells, and onsets in the onset encoding."""
    return 2 if encoding == "onset" else 1


def plane_bytes(steps: int, pitches: int) -> int:
    """Return the size in bytes of one plane of (steps, pitches) cells."""
    return (steps * pitches + 7) // 8


def pack_tiles(piece: StepNotes, bars: NDArray[np.int64], steps: int, encoding: Encoding) -> Tiles:
    """Pack some bars of a piece.

    Args:
        piece: a quantized piece.
        bars: int64 (n,), the bars to pack, ascending; each must be ``steps`` long.
        steps: steps of a bar.
        encoding: ``onset`` or ``pause``.

    Raises:
        Unreadable: the bars are silent, or the piece has far more notes than any music.
        ValueError: a bar is out of range or not ``steps`` long, or the bars are not ascending.

    """
    valid = len(bars) > 0 and bars[0] >= 0 and bars[-1] < piece.bars and (np.diff(bars) > 0).all()
    if not valid or (np.diff(piece.bar_starts)[bars] != steps).any():
        raise ValueError(f"bars must be ascending, within 0 to {piece.bars - 1}, and of {steps} steps each")
    tracks, pitches = len(piece.track_set), piece.track_set.pitches
    bar, track, row, start, count, begins = _segments(piece, encoding)
    if int(count.sum()) > MAX_SOUNDING_CELLS:
        raise Unreadable(f"its notes fill more than {MAX_SOUNDING_CELLS:,} cells: no piece of music does")
    place = np.full(piece.bars, -1)  # index of each bar among the packed ones
    place[bars] = np.arange(len(bars))
    slot = place[bar] * tracks + track
    inside = place[bar] >= 0
    if not inside.all():
        slot, row, start, count, begins = (x[inside] for x in (slot, row, start, count, begins))

    if not len(slot):
        raise Unreadable("all its bars of that metre are silent")
    used = np.zeros(len(bars) * tracks, np.bool_)
    used[slot] = True
    number = np.cumsum(used) - 1  # index of each used slot
    sounding, planes, size = int(used.sum()), plane_count(encoding), plane_bytes(steps, pitches)
    if sounding * planes * size > MAX_TILE_BYTES:
        raise Unreadable(f"it has {sounding:,} bars that sound: more than any piece of music")
    tile = number[slot]
    kept, kinds = _distinct_segments(
        tile, start * pitches + row, count, begins & (encoding == "onset"), steps * pitches
    )
    # Of equal tiles, keep the segments of the first only.
    chosen = np.flatnonzero(_mask(kept, sounding).take(tile))
    tile, row, start, count, begins = (x.take(chosen) for x in (kinds.take(tile), row, start, count, begins))
    packed = np.zeros((len(kept), planes * size), np.uint8)
    # Indices of bits; the cells of a segment are `pitches` bits apart.
    bit = tile * (planes * size * 8) + start * pitches + row
    before = np.cumsum(count) - count
    every = np.arange(int(count.sum())) * pitches
    every += np.repeat(bit - before * pitches, count)
    _light(packed, every)
    if encoding == "onset":
        _light(packed, bit.take(np.flatnonzero(begins)) + size * 8)
    ranges = np.empty((len(kept), 2), np.uint8)
    ranges[:] = SILENT_RANGE
    row = row.astype(np.uint8)
    np.minimum.at(ranges[:, 0], tile, row)
    np.maximum.at(ranges[:, 1], tile, row)
    if encoding == "pause":  # different segments may give equal tiles: a note of one step merges with the next
        width = packed.shape[1]
        again, fused = _distinct(packed.tobytes(), np.arange(0, packed.size + 1, width))
        packed, ranges, kinds = packed[again], ranges[again], fused[kinds]
    table = np.zeros(len(used), np.uint32)
    table[used] = kinds + 1
    return Tiles(packed.reshape(-1, planes, size), ranges, table.reshape(len(bars), tracks))


def _mask(chosen: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    mask = np.zeros(count, np.bool_)
    mask[chosen] = True
    return mask


def _light(packed: Bytes, bits: NDArray[np.int64]) -> None:
    """Set bits. Each occurs once, since notes of one pitch don't overlap, so adding works like a bitwise or."""
    np.add.at(packed.reshape(-1), bits >> 3, _MASKS.take(bits & 7))


_MASKS = np.array([128, 64, 32, 16, 8, 4, 2, 1], np.uint8)


def _segments(piece: StepNotes, encoding: Encoding) -> tuple[NDArray[Any], ...]:
    """Cut the notes at the bar lines.

    Returns the bar, track, row, first step in the bar and number of steps of each segment, and whether a note begins
    there.
    """
    notes, lines = piece.notes, piece.bar_starts
    onset = notes["onset"]
    stop = pause_stops(notes, piece.track_set) if encoding == "pause" else onset + notes["duration"]
    stop = np.minimum(stop, lines[-1])
    bar_of = np.repeat(np.arange(piece.bars), np.diff(lines))
    first = bar_of[onset]
    spans = bar_of[stop - 1] - first + 1
    whole = np.repeat(np.arange(len(notes)), spans)
    bar = np.arange(len(whole)) - np.repeat(np.cumsum(spans) - spans - first, spans)
    start = np.maximum(onset[whole], lines[bar])
    count = np.minimum(stop[whole], lines[bar + 1]) - start
    row = notes["pitch"].astype(np.int64)[whole] - piece.track_set.low
    track = notes["track"].astype(np.int64)[whole]
    return bar, track, row, start - lines[bar], count, bar == first[whole]


def _distinct_segments(
    tile: NDArray[np.int64],
    cell: NDArray[np.int64],
    count: NDArray[np.int64],
    begins: NDArray[np.bool_],
    cells: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find distinct tiles by comparing their segments; returns what ``_distinct`` returns.

    A segment is given by its tile, first cell (of ``cells``), number of steps, and whether a note begins there. Every
    tile has at least one.
    """
    code = (cell * (cells + 1) + count) * 2 + begins
    bits = (2 * cells * (cells + 2)).bit_length()
    if bits + len(code).bit_length() > 63:  # only for extremely large tiles
        code = np.unique(code, return_inverse=True)[1]
        bits = len(code).bit_length()
    # After sorting, equal tiles have equal bytes. Sorting numbers is several times as fast as sorting rows.
    code = np.sort(tile << bits | code) & ((1 << bits) - 1)
    edges = np.cumsum(np.bincount(tile, minlength=1)) * code.itemsize
    return _distinct(code.tobytes(), np.append(0, edges))


def _distinct(content: bytes, edges: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find distinct runs of bytes; run i is ``content[edges[i] : edges[i + 1]]``.

    Returns the index of the first run of each kind, in order, and the kind of every run.
    """
    places = edges.tolist()
    first: dict[bytes, int] = {}
    same = [first.setdefault(content[a:b], i) for i, (a, b) in enumerate(pairwise(places))]
    kept = np.fromiter(first.values(), np.int64, len(first))
    kinds = np.empty(len(same), np.int64)
    kinds[kept] = np.arange(len(kept))
    return kept, kinds[same]
