"""Read the events of MIDI tracks byte by byte, and repair damaged ones.

Time and memory are bounded by the size of the data.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

MAX_METAS = 1 << 17  # later changes of tempo and the like are ignored
MAX_EXCLUSIVE = 16  # bytes of the system-exclusive messages that are kept

TRACK_NAME, PORT, END_OF_TRACK, TEMPO, TIME_SIGNATURE, KEY_SIGNATURE = 0x03, 0x21, 0x2F, 0x51, 0x58, 0x59
EXCLUSIVE = 0xF0  # the status byte, as no meta event has this type
KEPT = frozenset((TRACK_NAME, PORT, TEMPO, TIME_SIGNATURE, KEY_SIGNATURE, EXCLUSIVE))
_MAX_DELTA = 1 << 28

Span: TypeAlias = tuple[int, int]
Metas: TypeAlias = list[tuple[int, int, int, bytes]]


@dataclass
class Events:
    """The channel events of all tracks, in the order of the file, and the meta events in ``KEPT``.

    Attributes:
        track: the track's index, ``(events,)`` as the next four.
        tick: time from the start of the track.
        status: status byte.
        data1: first data byte.
        data2: second data byte, or 0.
        metas: (track, tick, type, content) of each meta event, and of short system-exclusive messages.
        ends: the last tick of each track.
        damage: number of repairs, by description.

    """

    track: NDArray[np.int32]
    tick: NDArray[np.int64]
    status: NDArray[np.uint8]
    data1: NDArray[np.uint8]
    data2: NDArray[np.uint8]
    metas: Metas
    ends: list[int]
    damage: dict[str, int] = field(default_factory=dict)


def careful_events(data: bytes, spans: tuple[Span, ...]) -> Events:
    """Read the events of tracks that may be damaged.

    Args:
        data: the file's bytes.
        spans: (start, stop) of each track's events.

    """
    track, tick = array("i"), array("q")
    status, data1, data2 = array("B"), array("B"), array("B")
    metas: Metas = []
    ends: list[int] = []
    damage: dict[str, int] = {}
    for index, (start, stop) in enumerate(spans):
        reader = _Reader(data, start, min(stop, len(data)), damage)
        if stop > len(data):
            reader.note("tracks cut off")
        for when, kind, first, second in reader.channel_events(index, metas):
            track.append(index)
            tick.append(when)
            status.append(kind)
            data1.append(first)
            data2.append(second)
        ends.append(reader.tick)
    return Events(
        np.array(track, dtype=np.int32),
        np.array(tick, dtype=np.int64),
        np.array(status, dtype=np.uint8),
        np.array(data1, dtype=np.uint8),
        np.array(data2, dtype=np.uint8),
        metas,
        ends,
        damage,
    )


class _Reader:
    """Reads one track, from offset ``at`` to ``stop``, and counts repairs in ``damage``."""

    def __init__(self, data: bytes, at: int, stop: int, damage: dict[str, int]) -> None:
        self.data, self.at, self.stop, self.damage = data, at, stop, damage
        self.tick, self.running, self.interrupted = 0, 0, False

    def note(self, what: str) -> None:
        self.damage[what] = self.damage.get(what, 0) + 1

    def number(self) -> int:
        """Read a variable-length number; one of more than 28 bits is invalid and read as 0."""
        value = 0
        while self.at < self.stop:
            byte = self.data[self.at]
            self.at += 1
            value = min(value << 7 | byte & 0x7F, _MAX_DELTA)
            if byte < 0x80:
                break
        if value < _MAX_DELTA:
            return value
        self.note("impossible delta times or lengths")
        return 0

    def channel_events(self, index: int, metas: Metas) -> Iterator[tuple[int, int, int, int]]:
        """Yield (tick, status, data1, data2) of channel events; append meta events in ``KEPT`` to ``metas``."""
        while self.at < self.stop:
            self.tick += self.number()
            if self.at >= self.stop:
                break
            status = self._status()
            if status < 0x80:
                continue
            if status < 0xF0:
                wanted = 1 if status & 0xE0 == 0xC0 else 2
                if self.at + wanted > self.stop:
                    break
                first = self.data[self.at]
                second = self.data[self.at + 1] if wanted == 2 else 0
                if first >= 0x80 or second >= 0x80:
                    self.note("data over 127")
                    first, second = min(first, 0x7F), min(second, 0x7F)
                self.at += wanted
                yield self.tick, status, first, second
            elif status in (0xF0, 0xF7, 0xFF):
                if self._skip_or_keep(status, index, metas):
                    if self.at < self.stop:
                        self.note("bytes after the end of a track")
                    return
            else:
                self.note("system messages that belong in no file")
                self.at += {0xF1: 1, 0xF2: 2, 0xF3: 1}.get(status, 0)
        self.note("tracks without an end")

    def _status(self) -> int:
        """Return the status of the current event, which may repeat that of the one before; 0 if there is none."""
        status = self.data[self.at]
        if status >= 0x80:
            self.at += 1
            self.interrupted = status >= 0xF0
            if status < 0xF0:
                self.running = status
            return status
        if not self.running:
            self.note("data without a status")
            self.at += 1
        elif self.interrupted:
            self.note("statuses repeated across other events")
            self.interrupted = False
        return self.running

    def _skip_or_keep(self, status: int, index: int, metas: Metas) -> bool:
        """Read a meta or system-exclusive event; return True at the end of the track."""
        kind = status
        if status == 0xFF:
            if self.at >= self.stop:
                return False
            kind = min(self.data[self.at], 0x7F)
            self.at += 1
        size = self.number()
        content = self.data[self.at : min(self.at + size, self.stop)]
        if self.at + size > self.stop:
            self.note("events longer than their track")
        is_kept = kind in KEPT and (kind != EXCLUSIVE or size <= MAX_EXCLUSIVE)
        if is_kept and len(metas) < MAX_METAS:
            metas.append((index, self.tick, kind, content))
        elif is_kept:
            self.note("changes of tempo and the like left out")
        self.at = min(self.at + size, self.stop)
        return kind == END_OF_TRACK
