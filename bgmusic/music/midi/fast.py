"""Read the events of valid MIDI tracks with array operations.

``fast_events`` checks the grammar of every byte and returns None if any byte is in doubt. The caller then reads byte
by byte (``events.careful_events``).

How it works. An event is a delta time (continuation bytes above 127, then one byte below 128), a status byte above 127
unless it repeats, and one or two data bytes below 128. So a run of high bytes is either continuation bytes or one
status byte. The low bytes between two runs decide which: the first complete the event before, then follow whole events
with running status (2 or 3 bytes each). If no byte is left over, the next run begins a delta time; if one is left over,
the next run is the status byte after it.

Meta and system-exclusive events carry their own length. They are cut out first and replaced by a placeholder: a status
byte with two data bytes. Bytes that only look like such an event fail the check of status bytes later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.events import (
    END_OF_TRACK,
    EXCLUSIVE,
    KEPT,
    KEY_SIGNATURE,
    MAX_EXCLUSIVE,
    MAX_METAS,
    TEMPO,
    TIME_SIGNATURE,
    Events,
    Metas,
    Span,
)

# Meta events of other types are rare: bytes that look like one are probably the continuation of a delta time. A wrong
# guess fails a check later.
_KNOWN = np.zeros(256, dtype=np.bool_)
_KNOWN[[*range(0x10), 0x20, 0x21, 0x4B, END_OF_TRACK, TEMPO, 0x54, TIME_SIGNATURE, KEY_SIGNATURE, 0x7F]] = True
_PLACEHOLDER = b"\xff\0\0"

_Ints: TypeAlias = NDArray[np.int32]  # positions in a file of a few MiB
_Bools: TypeAlias = NDArray[np.bool_]
_Cut: TypeAlias = tuple[bytes, list[int], Metas, list[int]]


@dataclass(frozen=True)
class _Runs:
    """The runs of high bytes in a stream, as arrays of equal length.

    Attributes:
        last: position of the run's last byte.
        length: number of bytes in the run.
        following: number of low bytes after the run.
        byte: the run's last byte.
        is_status: True for a status byte, False for continuation bytes of a delta time.
        short: whether the current status has one data byte instead of two.

    """

    last: _Ints
    length: _Ints
    following: _Ints
    byte: NDArray[np.uint8]
    is_status: _Bools
    short: _Bools


def fast_events(data: bytes, spans: tuple[Span, ...]) -> Events | None:
    """Read the events of valid tracks.

    Args:
        data: the file's bytes.
        spans: (start, stop) of each track's events.

    Returns:
        The events, or None if any byte is in doubt.

    """
    cut = _cut_metas(data, spans)
    if cut is None:
        return None
    stream, places, metas, first_of_track = cut
    raw = np.frombuffer(stream, dtype=np.uint8)
    runs = _classify(raw, np.array(places))
    if runs is None:
        return None

    # The number of events from each run to the next, and the first data byte of each event: after a status byte, or
    # after the last byte of a delta time, then every three bytes (two with one data byte).
    low_bytes = runs.following + runs.is_status
    count = np.where(runs.short, low_bytes >> 1, low_bytes // 3)
    until = np.cumsum(count, dtype=np.int32)
    before, events = (until - count).astype(np.intp), int(until[-1])
    first = runs.last + 2 - runs.is_status
    data1 = np.repeat(first - 3 * before, count)
    data1 += np.arange(0, 3 * events, 3)
    # A status applies from its own event up to the next status.
    statuses = np.flatnonzero(runs.is_status)
    since = before.take(statuses)
    has_status = np.zeros(events, dtype=np.bool_)
    has_status[since] = True
    status = runs.byte.take(statuses).repeat(np.diff(since, append=events))
    # No event may repeat the status of a placeholder.
    if np.count_nonzero(status >= 0xF0) != len(places):
        return None
    is_short = (status & 0xE0) == 0xC0
    if (count[runs.short] > 1).any():
        event = np.flatnonzero(is_short)
        data1[event] -= event - np.repeat(before, count)[event]

    # A delta time ends before its event's data or status byte; it may begin with continuation bytes.
    delta = raw.take(data1 - 1 - has_status).astype(np.int64)
    delta[0] = 0  # the stream begins with a placeholder
    continuation = np.flatnonzero(~runs.is_status)
    for back in range(3):
        byte = raw.take(runs.last.take(continuation) - back) & 0x7F
        delta[before.take(continuation)] += byte.astype(np.int64) << (7 * back + 7)
        continuation = continuation[runs.length.take(continuation) > back + 1]
    tick = np.cumsum(delta)
    data2 = raw.take(data1 + 1)  # in range: the stream ends with a placeholder, which has two data bytes
    data2[is_short] = 0

    starts = np.flatnonzero(status == 0xFF)
    track_starts = starts[first_of_track]
    lengths = np.diff(np.append(track_starts, len(tick)))
    track = np.repeat(np.arange(len(spans), dtype=np.int32), lengths)
    tick -= np.repeat(tick[track_starts], lengths)
    ends = tick[track_starts + lengths - 1].tolist()
    at = tick[starts].tolist()
    timed = [(index, at[order], kind, content) for order, index, kind, content in metas]
    return Events(track, tick, status, raw.take(data1), data2, timed, ends)


def _cut_metas(data: bytes, spans: tuple[Span, ...]) -> _Cut | None:
    """Join all tracks to one stream, with placeholders for track starts, meta and system-exclusive events.

    Returns:
        The stream; the positions of the placeholders; the meta events in ``KEPT`` as (number of the placeholder, track,
        type, content); the number of each track's first placeholder. None if a track has no regular end.

    """
    pieces: list[bytes] = []
    places: list[int] = []
    length = 0
    metas: Metas = []
    first_of_track: list[int] = []
    candidates = _candidates(data)
    for index, (start, stop) in enumerate(spans):
        first_of_track.append(len(places))
        pieces.append(b"\0" + _PLACEHOLDER)
        places.append(length + 1)
        length += 4
        at = start
        for here, kind, content, end in candidates:
            if here < at or (here > at and data[here - 1] >= 0x80):
                continue  # inside another event, or after a continuation byte, where no status byte can be
            if here + 2 >= stop:
                return None
            pieces += (data[at:here], _PLACEHOLDER)
            length += here - at
            at = end
            if kind in KEPT and (kind != EXCLUSIVE or end - content <= MAX_EXCLUSIVE):
                if len(metas) == MAX_METAS:
                    return None
                metas.append((len(places), index, kind, data[content:end]))
            places.append(length)
            length += 3
            if kind == END_OF_TRACK:
                break
        else:
            return None  # no end-of-track event: the track may be cut off
        if at != stop:
            return None
    return b"".join(pieces), places, metas, first_of_track


def _candidates(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Find bytes that may be a meta event of a known type or a system-exclusive event, of at most 127 bytes.

    Returns:
        Tuples of position, type (0xF0 or 0xF7 for system-exclusive events), start and end of the content.

    """
    raw = np.frombuffer(data, dtype=np.uint8)
    here = np.flatnonzero(raw[:-2] >= 0xF0)
    first, second, third = raw[here], raw[here + 1], raw[here + 2]
    is_meta = first == 0xFF
    is_exclusive = (first == 0xF0) | (first == 0xF7)
    chosen = np.flatnonzero((third < 0x80) & ((is_meta & _KNOWN[second]) | (is_exclusive & (second < 0x80))))
    here, is_meta, second = here[chosen], is_meta[chosen], second[chosen]
    content = here + 2 + is_meta
    end = content + np.where(is_meta, third[chosen], second)
    kind = np.where(is_meta, second, first[chosen])
    return zip(here.tolist(), kind.tolist(), content.tolist(), end.tolist(), strict=True)


def _classify(raw: NDArray[np.uint8], placeholders: _Ints) -> _Runs | None:
    """Classify the runs of high bytes as status or continuation bytes; None if a byte is in doubt."""
    high = raw >= 0x80
    # The stream begins and ends with low bytes, so starts and stops of runs alternate.
    edges = np.flatnonzero(high[1:] != high[:-1]).astype(np.int32) + 1
    last = edges[1::2] - 1
    length = edges[1::2] - edges[::2]
    following = np.append(edges[2::2], np.int32(len(raw))) - edges[1::2]
    left_over = following - 3 * (following // 3)  # faster than the remainder
    byte = raw.take(last)
    changes, short = _changes(left_over != 0, (following & 1) != 0, (byte & 0xE0) == 0xC0)
    # The stream begins with the status of a placeholder; each run is of the kind before it unless that changes.
    is_status = np.empty(len(changes), dtype=np.bool_)
    is_status[0] = True
    is_status[1:] = ~np.logical_xor.accumulate(changes[:-1])
    # A run is one status byte or up to three continuation bytes, and must leave a possible number of low bytes.
    wrong = (length > 3 - 2 * is_status) | (~short & (left_over == 2 - is_status))
    # Only the placeholders are system messages; the last of them ends the stream.
    system = last[is_status & (byte >= 0xF0)]
    if wrong.any() or following[-1] != 2 or not np.array_equal(system, placeholders):
        return None
    return _Runs(last, length, following, byte, is_status, short)


def _changes(
    after_long: NDArray[np.bool_], after_short: NDArray[np.bool_], one_byte: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find where the kind of runs changes, and the runs to which a status with one data byte applies.

    The rule is ``after_long`` if the current status has two data bytes, and ``after_short`` if it has one (program
    change, channel pressure). Whether such a byte is a status depends on everything before it. They are few, so a loop
    goes through them one by one.
    """
    changes = after_long.copy()
    short = np.zeros(len(changes), dtype=np.bool_)
    odd = np.logical_xor.accumulate(after_long) ^ after_long  # whether the number of changes before is odd
    extra, done = 0, 0
    runs = np.flatnonzero(one_byte)
    for run, changed in zip(runs.tolist(), odd[runs].tolist(), strict=True):
        if run < done or (changed + extra) & 1:
            continue
        kind, done = 0, run
        while done < len(changes):
            by_short, by_long = bool(after_short[done]), bool(after_long[done])
            changes[done], short[done] = by_short, True
            extra += by_short - by_long
            kind ^= by_short
            done += 1
            if not kind and not (done < len(changes) and one_byte[done]):
                break
    return changes, short
