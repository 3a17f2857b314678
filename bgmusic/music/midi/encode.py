"""Encode events as track chunks of a MIDI file.

Format: "Standard MIDI Files 1.0" (RP-001).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

END_OF_TRACK = b"\xff\x2f\x00"
LONGEST_DELTA = (1 << 28) - 1  # a delta time in ticks
_FILLER = b"\xff\x01\x00"  # an empty text: it splits longer delta times
_DELTA_BYTES = 4


def meta(kind: int, content: bytes) -> bytes:
    """Return a meta event, without its delta time."""
    return bytes([0xFF, kind]) + _number(len(content)) + content


def meta_chunk(events: Sequence[tuple[int, bytes]], end: int) -> bytes:
    """Return the track chunk of a few events.

    Args:
        events: tick and bytes of each, sorted by tick.
        end: tick of the end of the track; at least the last event's.

    """
    return _chunk(b"".join(_timed([*events, (end, END_OF_TRACK)], 0)))


def channel_chunk(head: Sequence[bytes], ticks: NDArray[np.int64], messages: NDArray[np.uint8], end: int) -> bytes:
    """Return the track chunk of channel events.

    Args:
        head: meta and channel events at tick 0.
        ticks: int64 ``(n,)``, sorted.
        messages: uint8 ``(n, 3)``, status and data bytes; the third is ignored after a status with one data byte.
        end: tick of the end of the track; at least the last event's.

    """
    delta = np.diff(ticks, prepend=0)
    is_short = (messages[:, 0] & 0xE0) == 0xC0
    rows = np.empty((len(ticks), _DELTA_BYTES + 3), dtype=np.uint8)
    used = np.ones(rows.shape, dtype=np.bool_)
    for place in range(_DELTA_BYTES - 1):
        rest = delta >> 7 * (_DELTA_BYTES - 1 - place)
        rows[:, place], used[:, place] = rest & 0x7F | 0x80, rest > 0
    rows[:, _DELTA_BYTES - 1] = delta & 0x7F
    rows[:, _DELTA_BYTES:] = messages
    used[is_short, -1] = False

    body = [b"\0" + event for event in head]
    start, tick = 0, 0
    for far in np.flatnonzero(delta > LONGEST_DELTA).tolist():
        body.append(rows[start:far][used[start:far]].tobytes())
        tick = int(ticks[far])
        body += _timed([(tick, messages[far, : 3 - is_short[far]].tobytes())], tick - int(delta[far]))
        start = far + 1
    body.append(rows[start:][used[start:]].tobytes())
    body += _timed([(end, END_OF_TRACK)], int(ticks[-1]) if len(ticks) else 0)
    return _chunk(b"".join(body))


def _timed(events: Sequence[tuple[int, bytes]], tick: int) -> Iterator[bytes]:
    """Yield each event after its delta time; the first is counted from ``tick``."""
    for at, content in events:
        while at - tick > LONGEST_DELTA:
            yield _number(LONGEST_DELTA) + _FILLER
            tick += LONGEST_DELTA
        yield _number(at - tick) + content
        tick = at


def _number(value: int) -> bytes:
    """Return a variable-length number."""
    content = [value & 0x7F]
    while value := value >> 7:
        content.append(0x80 | value & 0x7F)
    return bytes(reversed(content))


def _chunk(body: bytes) -> bytes:
    return b"MTrk" + len(body).to_bytes(4, "big") + body
