"""From MIDI events to notes: which note-off ends which note, and which program plays it.

Within one track, channel and pitch the first note-off ends the first of the notes that sound, so that
overlapping notes keep their order. Where notes are left that nothing ends, each ends instead at the next
event of its pitch: a second note-on strikes the key anew. A note with nothing after it lasts to the last
note event of the piece, and at least a beat. Note-offs for which no note sounds are ignored, and a note of
no length gets one tick.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.events import Events
from bgmusic.music.midi.song import NOTE, Table

_DRUM_CHANNEL = 9  # channel 10 as musicians count
_MAX_CHANGES = 1 << 16  # of program; more are no music
_Voices: TypeAlias = NDArray[np.int64]  # track * 16 + channel, ascending: these become the song's parts


def notes_of(events: Events, ticks_per_beat: float, damage: dict[str, int]) -> tuple[Table, _Voices]:
    """The notes (dtype ``NOTE``) and their voices (track * 16 + channel), in the order of the parts.

    What was mended is counted in ``damage``.
    """
    command = events.status & 0xF0
    chosen = np.flatnonzero((command | 0x10) == 0x90)
    status = events.status.take(chosen)
    voice = events.track.take(chosen) * 16 + (status & 0x0F)
    pitch, velocity, tick = events.data1.take(chosen), events.data2.take(chosen), events.tick.take(chosen)
    is_on = (status >= 0x90) & (velocity > 0)

    key = voice << 7 | pitch
    order = _stable_order(key)
    begin, stop = _pair(key.take(order), is_on.take(order), tick.take(order), ticks_per_beat, damage)

    # By part and pitch they are sorted already: a stable order of onsets completes it.
    source = order.take(begin)
    by_onset = _stable_order(tick.take(source))
    source, stop = source.take(by_onset), stop.take(by_onset)
    notes = np.empty(len(begin), dtype=NOTE)
    notes["onset"] = onset = tick.take(source)
    notes["pitch"], notes["velocity"] = pitch.take(source), velocity.take(source)
    empty = int(np.count_nonzero(stop == onset))
    if empty:
        damage["notes of no length, given one tick"] = empty
    notes["duration"] = np.maximum(stop - onset, 1)
    sounding = voice.take(source)
    notes["is_drum"] = (sounding & 0x0F) == _DRUM_CHANNEL
    present = np.bincount(sounding, minlength=1) > 0
    notes["part"] = part = (np.cumsum(present) - 1).take(sounding)
    voices = np.flatnonzero(present)
    notes["program"] = _programs(events, command, onset, part, voices)
    return notes, voices


def _stable_order(values: NDArray[np.integer]) -> NDArray[np.int64]:
    """The order that sorts ``values``, which are not negative, and keeps equal ones as they are."""
    bits, largest = len(values).bit_length(), int(values.max(initial=0))
    if largest >= 1 << (62 - bits):
        return np.argsort(values, kind="stable")
    # Values with their places in the low bits sort several times as fast as places do, and short ones twice as fast.
    word = np.uint32 if largest < 1 << (32 - bits) else np.int64
    packed = values.astype(word)
    packed <<= bits
    packed |= np.arange(len(values), dtype=word)
    packed.sort()
    packed &= (1 << bits) - 1
    return packed.astype(np.int64, copy=False)


def _pair(
    key: NDArray[np.integer],
    is_on: NDArray[np.bool_],
    tick: NDArray[np.int64],
    ticks_per_beat: float,
    damage: dict[str, int],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Events sorted by key, then time: the indices of the note-ons, and the tick at which each note ends."""
    if not len(key):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    if _alternate(key, is_on):
        return np.arange(0, len(key), 2), tick[1::2]
    begin, end = np.flatnonzero(is_on), np.flatnonzero(~is_on)
    # As many of both in every key, and each note-off after its note-on: all is well, though notes overlap.
    if len(begin) == len(end) and np.array_equal(key.take(begin), key.take(end)) and (begin < end).all():
        return begin, tick.take(end)
    first = np.empty(len(key), dtype=np.bool_)
    first[0] = True
    np.not_equal(key[1:], key[:-1], out=first[1:])
    group = np.cumsum(first) - 1
    start = np.flatnonzero(first)

    # How many notes of the key sound after each event, if note-offs below zero are ignored.
    total = np.cumsum(np.where(is_on, 1, -1))
    level = total - np.append(0, total[start[1:] - 1])[group]
    spread = group * (len(key) + 1)
    floor = np.minimum.accumulate(np.minimum(level, 0) - spread) + spread
    sounding = level - floor
    ignored = ~is_on & (np.diff(floor, prepend=0) < 0)
    ignored[start] = ~is_on[start]
    if ignored.any():
        damage["note-offs for which no note sounds"] = int(ignored.sum())

    end = np.flatnonzero(~is_on & ~ignored)
    if len(begin) == len(end):
        return begin, tick[end]

    # Somewhere notes are left: from the last silence of their key on, each ends at the key's next event.
    last_silence = np.maximum.reduceat(np.where(sounding == 0, np.arange(len(key)), -1), start)
    left = np.arange(len(key)) > last_silence[group]
    stop = np.empty(len(key), dtype=np.int64)
    stop[begin[~left[begin]]] = tick[end[~left[end]]]
    open_on = begin[left[begin]]
    following = np.minimum(open_on + 1, len(key) - 1)
    ends_there = (open_on + 1 < len(key)) & ~first[following]
    last = int(tick.max())
    final = np.maximum(last, tick[open_on] + max(1, round(ticks_per_beat)))
    stop[open_on] = np.where(ends_there, tick[following], final)
    damage["notes that nothing ends"] = len(begin) - len(end)
    return begin, stop[begin]


def _alternate(key: NDArray[np.integer], is_on: NDArray[np.bool_]) -> bool:
    """Whether each note-on is followed by its note-off: so it is in most files, and there is no more to do."""
    return bool(
        len(key) % 2 == 0 and is_on[::2].all() and not is_on[1::2].any() and np.array_equal(key[::2], key[1::2])
    )


def _programs(
    events: Events,
    command: NDArray[np.integer],
    onset: NDArray[np.int64],
    part_of: NDArray[np.int64],
    voices: _Voices,
) -> NDArray[np.uint8]:
    """The program of each note: as its track last set it for the channel, else as any did, else 0."""
    change = np.flatnonzero(command == 0xC0)[:_MAX_CHANGES]
    own: dict[int, list[tuple[int, int]]] = {}
    shared: dict[int, list[tuple[int, int]]] = {}
    channels = (events.status[change] & 0x0F).tolist()
    tracks, ticks, programs = (column[change].tolist() for column in (events.track, events.tick, events.data1))
    for track, channel, tick, program in zip(tracks, channels, ticks, programs, strict=True):
        own.setdefault(track * 16 + channel, []).append((tick, program))
        shared.setdefault(channel, []).append((tick, program))
    for by_any in shared.values():
        by_any.sort(key=lambda row: row[0])
    changes = [own.get(voice) or shared.get(voice & 0x0F, []) for voice in voices.tolist()]
    # Most parts have one program from the start on.
    constant = np.array([rows[0][1] if rows else 0 for rows in changes], dtype=np.uint8)
    result = constant.take(part_of)
    for part, rows in enumerate(changes):
        if rows and (rows[0][0] > 0 or len({last for _, last in rows}) > 1):
            since, values = np.array([(-1, 0), *rows]).T
            mine = np.flatnonzero(part_of == part)
            result[mine] = values[np.searchsorted(since, onset[mine], side="right") - 1]
    return result
