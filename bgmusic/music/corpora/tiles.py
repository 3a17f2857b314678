"""Tiles: one bar of one track, the unit in which a corpus stores its bits.

A tile has one plane of sustained cells and, in the lossless encoding, one of onsets. A plane is
``numpy.packbits`` of its (steps, pitches) cells in row-major order: the first cell is the highest bit of the
first byte. A piece stores every tile once, however often it sounds; tile 0 of a corpus is the silent one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.grid import StepNotes
from bgmusic.music.roll import Encoding, pause_stops
from bgmusic.music.sources.base import Unreadable

MAX_SOUNDING_CELLS = 1 << 22  # of one piece: an hour of ten voices at 24 steps a beat has 1.7 million
MAX_TILE_CELLS = 1 << 27  # unpacked for a moment: 128 MiB
SILENT_RANGE = (255, 0)  # the lowest and highest row of a tile that has none

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Tiles:
    """The tiles of one piece.

    ``planes`` (tiles, planes, bytes) uint8; ``ranges`` (tiles, 2) uint8: lowest and highest row (pitch) lit;
    ``bars`` (bars, tracks) uint32: the tile of each bar and track, 0 for silence, k for ``planes[k - 1]``.
    """

    planes: Bytes
    ranges: Bytes
    bars: NDArray[np.uint32]


def plane_count(encoding: Encoding) -> int:
    """Planes of a tile: cells, and onsets in the lossless encoding."""
    return 2 if encoding == "onset" else 1


def plane_bytes(steps: int, pitches: int) -> int:
    """Bytes of one plane of (steps, pitches) cells."""
    return (steps * pitches + 7) // 8


def pack_tiles(piece: StepNotes, bars: NDArray[np.int64], steps: int, encoding: Encoding) -> Tiles:
    """Pack the given bars (indices, ascending, each ``steps`` long) of a piece.

    Raises:
        Unreadable: far more cells than any music has.

    """
    tracks, pitches = len(piece.track_set), piece.track_set.pitches
    place = np.full(int(piece.bar_starts[-1]) + 1, -1, np.int32)  # of a step among the bars packed
    place[piece.bar_starts[bars][:, None] + np.arange(steps)] = np.arange(len(bars) * steps).reshape(-1, steps)

    notes = piece.notes
    onset, last = notes["onset"].astype(np.int32), np.int32(len(place) - 1)
    stop = pause_stops(notes, piece.track_set) if encoding == "pause" else notes["onset"] + notes["duration"]
    count = np.minimum(stop, last).astype(np.int32) - onset
    if int(count.sum(dtype=np.int64)) > MAX_SOUNDING_CELLS:
        raise Unreadable(f"its notes fill more than {MAX_SOUNDING_CELLS:,} cells: no piece of music does")
    # Every sounding cell, note by note: its place in time, then its tile and its address in the tile.
    until = np.cumsum(count, dtype=np.int32)
    first = until - count
    at = place[np.arange(len(first) and until[-1], dtype=np.int32) + np.repeat(onset - first, count)]
    begins = np.zeros(len(at), np.bool_)
    begins[first[count > 0]] = True
    row = np.repeat(notes["pitch"].astype(np.int32) - np.int32(piece.track_set.low), count)
    track = np.repeat(notes["track"].astype(np.int32), count)
    if (at < 0).any():
        inside = at >= 0
        at, row, track, begins = at[inside], row[inside], track[inside], begins[inside]
    bar, step = np.divmod(at, np.int32(steps))
    slot = bar * np.int32(tracks) + track

    used = np.zeros(len(bars) * tracks, np.bool_)
    used[slot] = True
    number = np.cumsum(used, dtype=np.int32)  # of each used slot, from 1
    found, planes = int(number[-1]) if len(number) else 0, plane_count(encoding)
    if found * planes * steps * pitches > MAX_TILE_CELLS:
        raise Unreadable(f"it has {found:,} bars that sound: more than any piece of music")
    cells = np.zeros((found, planes, steps * pitches), np.bool_)
    flat = cells.reshape(-1)
    address = (number[slot] - 1) * np.int32(planes * steps * pitches) + step * np.int32(pitches) + row
    flat[address] = True
    if encoding == "onset":
        flat[address[begins] + np.int32(steps * pitches)] = True
    packed = np.packbits(cells, axis=-1)
    kept, renumbered = _distinct(packed.reshape(found, -1))
    table = np.zeros(len(used), np.uint32)
    table[used] = renumbered + 1
    lit = cells[kept, 0].reshape(-1, steps, pitches).any(axis=1)
    ranges = np.stack([lit.argmax(axis=1), pitches - 1 - lit[:, ::-1].argmax(axis=1)], axis=1)
    return Tiles(packed[kept], ranges.astype(np.uint8), table.reshape(len(bars), tracks))


def _distinct(rows: Bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first row of each kind, in order, and for every row the number of its kind."""
    numbers: dict[bytes, int] = {}
    every = rows.tobytes()
    width = rows.shape[1]
    keys = (every[start : start + width] for start in range(0, len(every), width))
    kinds = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
    # A kind's number is new where it is larger than all before.
    new = kinds > np.maximum.accumulate(np.concatenate([[-1], kinds]))[:-1]
    return np.flatnonzero(new), kinds
