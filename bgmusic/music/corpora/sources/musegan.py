"""Read MuseGAN's training data: one npz with the ``shape`` and the ``nonzero`` coordinates of all rolls.

The array is (rolls, bars, steps, pitches, tracks); its coordinates (5, cells) are sorted as by ``numpy.nonzero``.
Unpacked it needs gigabytes, so the five rows of coordinates are read in parallel, roll by roll.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.corpora.sources.base import MAX_ENTRIES, Entry, Unreadable
from bgmusic.music.corpora.sources.cell_runs import find_runs
from bgmusic.music.corpora.sources.npz import BROKEN, read_array, read_header
from bgmusic.music.midi.song import NOTE, TIME_SIGNATURE, Song, sort_notes, table

LOWEST = {84: 24, 128: 0}  # MIDI pitch of the first row, by the number of rows; 24 (C1) in MuseGAN's data
BLOCK = 1 << 16  # cells per read
MAX_ROLL_CELLS = 1 << 22

Cells = NDArray[np.int64]


def is_musegan(path: Path) -> bool:
    """Return whether a file is an npz with the arrays ``shape`` and ``nonzero``."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"shape.npy", "nonzero.npy"} <= set(archive.namelist())
    except BROKEN:
        return False


class MuseganSource:
    """The rolls of one npz. Each roll is a piece of its own, since the file does not record its song.

    Raises:
        UserError: the file is damaged, or not in MuseGAN's format.

    """

    def __init__(self, path: Path, label: str) -> None:
        self._path, self._label = path, label
        try:
            with zipfile.ZipFile(path) as archive:
                shape = read_array(archive, "shape").reshape(-1)
                self._shape = tuple(int(side) for side in shape)
        except (*BROKEN, Unreadable) as error:
            raise UserError(f"{label}: {error}") from None
        if len(self._shape) != 5 or min(self._shape) < 1 or self._shape[3] not in LOWEST:
            raise UserError(f"{label} has the shape {self._shape}; MuseGAN's is (rolls, bars, steps, 84, tracks)")
        if prod(self._shape[1:]) > MAX_ROLL_CELLS or self._shape[0] > MAX_ENTRIES:
            raise UserError(f"{label} claims the shape {self._shape}, more than is read of one file")
        self._stamp = path.stat().st_mtime_ns
        self._rolls: Iterator[tuple[int, Cells]] | None = None
        self._broken = ""
        self._here: tuple[int, Cells] | None = None

    def entries(self) -> Iterator[Entry]:
        """See ``Source.entries``."""
        for number in range(self._shape[0]):
            size = prod(self._shape[1:]) // 64
            yield Entry(f"{self._label}/{number}", "cells", size, number, stamp=self._stamp)

    def read(self, entry: Entry) -> bytes:
        """Return the shape of one roll (4 numbers) and the coordinates of its cells (4 each): little-endian int32."""
        if self._broken:
            raise Unreadable(self._broken)
        try:
            return self._read(int(entry.key))
        except Unreadable as error:
            self._broken = str(error)  # applies to all following rolls too
            raise

    def _read(self, number: int) -> bytes:
        if self._rolls is None or (self._here is not None and self._here[0] > number):
            self._rolls, self._here = self._read_rolls(), None
        while self._here is None or self._here[0] < number:
            found = next(self._rolls, None)
            if found is None:  # all rolls after the last cell are silent
                self._here = (self._shape[0], np.zeros((4, 0), np.int64))
                break
            self._here = found
        cells = self._here[1] if self._here[0] == number else np.zeros((4, 0), np.int64)
        return np.concatenate([np.array(self._shape[1:])[None], cells.T]).astype("<i4").tobytes()

    def _read_rolls(self) -> Iterator[tuple[int, Cells]]:
        """Iterate over the rolls that are not silent: index and cells (4, n), in order."""
        rest = np.zeros((5, 0), np.int64)
        for block in self._read_blocks():
            together = np.concatenate([rest, block], axis=1)
            inside = (together >= 0).all() and (together < np.array(self._shape)[:, None]).all()
            if not inside or (np.diff(together[0]) < 0).any():
                raise Unreadable("its coordinates are not sorted by roll, or lie outside its shape")
            if together.shape[1] > MAX_ROLL_CELLS + BLOCK:
                raise Unreadable("one of its rolls has more cells than it can hold")
            starts = np.flatnonzero(np.diff(together[0], prepend=-1))
            for start, stop in pairwise(starts.tolist()):
                yield int(together[0, start]), together[1:, start:stop]
            rest = together[:, starts[-1] :] if len(starts) else together
        if rest.shape[1]:
            yield int(rest[0, 0]), rest[1:]

    def _read_blocks(self) -> Iterator[Cells]:
        """Iterate over columns of the coordinates (5, up to ``BLOCK``), with one reader per row."""
        with zipfile.ZipFile(self._path) as archive:
            readers: list[IO[bytes]] = []
            try:
                for row in range(5):
                    file = archive.open("nonzero.npy")
                    readers.append(file)
                    shape, fortran, dtype = read_header(file)
                    if len(shape) != 2 or shape[0] != 5 or fortran or dtype.kind not in "iu":
                        raise Unreadable(f"its nonzero has the shape {shape}; MuseGAN's is (5, cells)")
                    _skip(file, row * shape[1] * dtype.itemsize)
                for start in range(0, shape[1], BLOCK):
                    count = min(BLOCK, shape[1] - start)
                    pieces = [file.read(count * dtype.itemsize) for file in readers]
                    if any(len(piece) < count * dtype.itemsize for piece in pieces):
                        raise Unreadable("its nonzero is cut off")
                    yield np.stack([np.frombuffer(piece, dtype) for piece in pieces]).astype(np.int64)
            except BROKEN as error:
                raise Unreadable(f"its nonzero is damaged: {error}") from None
            finally:
                for file in readers:
                    file.close()

    def close(self) -> None:
        """See ``Source.close``."""
        self._rolls = None


def _skip(file: IO[bytes], count: int) -> None:
    while count > 0:
        skipped = len(file.read(min(count, 1 << 20)))
        if not skipped:
            raise Unreadable("its nonzero is cut off")
        count -= skipped


def decode_cells(content: bytes, names: tuple[str, ...], drums: tuple[bool, ...], metre: tuple[int, int]) -> Song:
    """Decode one roll to a song with one tick per step; each run of cells is a note.

    Args:
        content: a roll as ``MuseganSource.read`` returns it.
        names: names of the corpus's tracks, in the order of the roll's tracks. The program of a note is the index of
            its track.
        drums: for every track whether it is drums.
        metre: time signature of all bars; the resolution follows from it.

    Raises:
        Unreadable: the number of tracks differs, or a beat (quarter note) is not a whole number of steps.

    """
    numbers = np.frombuffer(content, "<i4").reshape(-1, 4).astype(np.int64)
    (bars, steps, pitches, tracks), cells = numbers[0].tolist(), numbers[1:]
    if tracks != len(names):
        raise Unreadable(f"it has {tracks} tracks, the track set {len(names)}")
    numerator, denominator = metre
    ticks, rest = divmod(steps * denominator, 4 * numerator)
    if rest or not ticks:
        raise Unreadable(f"its bars of {steps} steps are not of {numerator}/{denominator}")
    time = cells[:, 0] * steps + cells[:, 1]
    order = np.lexsort((time, cells[:, 2], cells[:, 3]))
    time, pitch, track = time[order], cells[order, 2], cells[order, 3]
    first, last = find_runs(time, pitch, track)
    notes = np.zeros(len(first), NOTE)
    notes["onset"], notes["duration"] = time[first], time[last] - time[first] + 1
    notes["pitch"], notes["velocity"] = pitch[first] + LOWEST[pitches], 64
    notes["part"] = notes["program"] = track[first]
    notes["is_drum"] = np.array(drums)[track[first]]
    return Song(
        ticks_per_beat=ticks,
        notes=sort_notes(notes),
        time_signatures=table(TIME_SIGNATURE, [(0, *metre)]),
        parts=names,
        end=bars * steps,
    )
