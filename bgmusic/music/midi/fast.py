"""Sound MIDI tracks, all at once with array operations, or not at all.

``fast_events`` proves the grammar of every byte while it reads, and gives None at the first doubt
(``midi_events.careful_events`` then reads byte by byte, and mends what it can).

An event is a delta time (continuation bytes over 127, then one byte below 128),
a status byte over 127 unless it repeats, and one or two data bytes below 128. So runs of high bytes are
either continuations or one status byte, and each is told by the run before it: of the low bytes between two
runs, the first ones complete the event before, then come whole events with running status (2 or 3 bytes
each), and what is left over says whether the next high run begins a delta time (nothing left over) or
follows one (one byte left over). Meta events and system-exclusive ones have a length of their own; they are
cut out first and replaced by a stand-in status with two data bytes. A byte that was wrongly taken for one
turns out not to be a status byte, which is a doubt like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.events import (
    END_OF_TRACK,
    KEPT,
    KEY_SIGNATURE,
    MAX_METAS,
    TEMPO,
    TIME_SIGNATURE,
    Events,
    Metas,
    Span,
)

# Meta events of other types are rare enough; what looks like one is most probably the continuation of a delta time
# (a wrong guess here is a doubt later).
_KNOWN = np.zeros(256, dtype=np.bool_)
_KNOWN[[*range(0x10), 0x20, 0x21, 0x4B, END_OF_TRACK, TEMPO, 0x54, TIME_SIGNATURE, KEY_SIGNATURE, 0x7F]] = True
_STAND_IN = b"\xff\0\0"

_Ints: TypeAlias = NDArray[np.int32]  # positions in a file of a few MiB
_Bools: TypeAlias = NDArray[np.bool_]
_Cut: TypeAlias = tuple[bytes, list[int], Metas, list[int]]


@dataclass(frozen=True)
class _Runs:
    """The runs of high bytes in a stream: arrays of one length.

    ``last`` is the position of a run's last byte, ``length`` its bytes, ``following`` the low bytes after it.
    ``byte`` is that last byte. ``is_status`` tells a status byte from continuations, ``short`` says that the
    status in force has one data byte.
    """

    last: _Ints
    length: _Ints
    following: _Ints
    byte: NDArray[np.uint8]
    is_status: _Bools
    short: _Bools


def fast_events(data: bytes, spans: tuple[Span, ...]) -> Events | None:
    """The events of tracks that are all as they should be; None where any byte is in doubt."""
    cut = _cut_metas(data, spans)
    if cut is None:
        return None
    stream, places, metas, first_of_track = cut
    raw = np.frombuffer(stream, dtype=np.uint8)
    runs = _classify(raw, np.array(places))
    if runs is None:
        return None

    # The events between a run and the next, and the first data byte of each: after a status, or after the byte that
    # ends a delta time, and from there every three bytes (two where there is one data byte).
    low_bytes = runs.following + runs.is_status
    count = np.where(runs.short, low_bytes >> 1, low_bytes // 3)
    until = np.cumsum(count, dtype=np.int32)
    before, events = (until - count).astype(np.intp), int(until[-1])
    first = runs.last + 2 - runs.is_status
    data1 = np.repeat(first - 3 * before, count)
    data1 += np.arange(0, 3 * events, 3)
    # A status is in force from its own event on up to the next one's.
    statuses = np.flatnonzero(runs.is_status)
    since = before.take(statuses)
    has_status = np.zeros(events, dtype=np.bool_)
    has_status[since] = True
    status = runs.byte.take(statuses).repeat(np.diff(since, append=events))
    # No event may repeat a stand-in's status.
    if np.count_nonzero(status >= 0xF0) != len(places):
        return None
    is_short = (status & 0xE0) == 0xC0
    if (count[runs.short] > 1).any():
        event = np.flatnonzero(is_short)
        data1[event] -= event - np.repeat(before, count)[event]

    # A delta time ends before its event's data, or before the status in between; it may have begun with a run.
    delta = raw.take(data1 - 1 - has_status).astype(np.int64)
    delta[0] = 0  # the stream begins with a stand-in
    continuation = np.flatnonzero(~runs.is_status)
    for back in range(3):
        byte = raw.take(runs.last.take(continuation) - back) & 0x7F
        delta[before.take(continuation)] += byte.astype(np.int64) << (7 * back + 7)
        continuation = continuation[runs.length.take(continuation) > back + 1]
    tick = np.cumsum(delta)
    data2 = raw.take(data1 + 1)  # the stream ends with a stand-in, which has two
    data2[is_short] = 0

    starts = np.flatnonzero(status == 0xFF)
    track_starts = starts[first_of_track]
    lengths = np.diff(np.append(track_starts, len(tick)))
    track = np.repeat(np.arange(len(spans), dtype=np.int32), lengths)
    tick -= np.repeat(tick[track_starts], lengths)
    ends = tick[track_starts + lengths - 1].tolist()
    at = tick[starts].tolist()
    found = [(index, at[order], kind, content) for order, index, kind, content in metas]
    return Events(track, tick, status, raw.take(data1), data2, found, ends)


def _cut_metas(data: bytes, spans: tuple[Span, ...]) -> _Cut | None:
    """All tracks in one stream, with stand-ins for track starts, meta and exclusive events.

    Returns the stream, the places of the stand-ins, the meta events that matter as (number of its stand-in,
    track, type, content), and each track's first stand-in.
    """
    pieces: list[bytes] = []
    places: list[int] = []
    length = 0
    metas: Metas = []
    first_of_track: list[int] = []
    candidates = _candidates(data)
    for index, (start, stop) in enumerate(spans):
        first_of_track.append(len(places))
        pieces.append(b"\0" + _STAND_IN)
        places.append(length + 1)
        length += 4
        at = start
        for here, kind, content, end in candidates:
            if here < at or (here > at and data[here - 1] >= 0x80):
                continue  # inside another event, or after a continuation, where no status byte comes
            if here + 2 >= stop:
                return None
            pieces += (data[at:here], _STAND_IN)
            length += here - at
            at = end
            if kind in KEPT:
                if len(metas) == MAX_METAS:
                    return None
                metas.append((len(places), index, kind, data[content:end]))
            places.append(length)
            length += 3
            if kind == END_OF_TRACK:
                break
        else:
            return None  # no end-of-track event: something may be missing
        if at != stop:
            return None
    return b"".join(pieces), places, metas, first_of_track


def _candidates(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """What may be a meta event of a known type or an exclusive one, of at most 127 bytes.

    Of each its place, its type (0xF0 or 0xF7 of exclusive ones), and where its content begins and ends.
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


def _classify(raw: NDArray[np.uint8], stand_ins: _Ints) -> _Runs | None:
    """Tell the runs of high bytes apart; None where a byte is in doubt."""
    high = raw >= 0x80
    # The stream begins and ends with low bytes, so that these are starts and stops by turns.
    edges = np.flatnonzero(high[1:] != high[:-1]).astype(np.int32) + 1
    last = edges[1::2] - 1
    length = edges[1::2] - edges[::2]
    following = np.append(edges[2::2], np.int32(len(raw))) - edges[1::2]
    left_over = following - 3 * (following // 3)  # division is faster than its remainder
    byte = raw.take(last)
    changes, short = _changes(left_over != 0, (following & 1) != 0, (byte & 0xE0) == 0xC0)
    # The stream begins with a stand-in's status; each run is of the kind before it unless that changes.
    is_status = np.empty(len(changes), dtype=np.bool_)
    is_status[0] = True
    is_status[1:] = ~np.logical_xor.accumulate(changes[:-1])
    # One status byte, or up to three continuations; then no such rest as neither can leave.
    wrong = (length > 3 - 2 * is_status) | (~short & (left_over == 2 - is_status))
    # The stand-ins, and only they, are system messages; the last of them ends the stream.
    system = last[is_status & (byte >= 0xF0)]
    if wrong.any() or following[-1] != 2 or not np.array_equal(system, stand_ins):
        return None
    return _Runs(last, length, following, byte, is_status, short)


def _changes(
    after_long: NDArray[np.bool_], after_short: NDArray[np.bool_], one_byte: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the kind changes from each run to the next, and which runs stand under a one-data-byte status.

    It changes by one rule (``after_long``) or another (``after_short``) as the status in force has two data
    bytes or one (program change, channel pressure); whether a byte in that range is a status depends on all
    before it. Such bytes are few: they are gone through one by one.
    """
    changes = after_long.copy()
    short = np.zeros(len(changes), dtype=np.bool_)
    odd = np.logical_xor.accumulate(after_long) ^ after_long  # whether an odd number of changes lies before
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
