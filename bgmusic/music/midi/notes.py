"""Pair note-on and note-off events to notes, and assign programs.

Within one track, channel and pitch, a note-off ends the first of the sounding notes, so overlapping notes keep their
order. Notes without a note-off end at the next event of their pitch, as if the key was struck again. Without a later
event they last to the last note event of the piece, and at least one beat. Note-offs without a sounding note are
ignored. A note of length zero gets one tick.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.events import Events
from bgmusic.music.midi.rhythm import CHANNELS, Ports, channels_of, drum_notes
from bgmusic.music.midi.song import NOTE, Table

_MAX_CHANGES = 1 << 16  # later program changes are ignored
_Voices: TypeAlias = NDArray[np.int64]  # track * 16 + channel, ascending: these become the song's parts


def notes_of(
    events: Events, ports: Ports, ticks_per_beat: float, damage: dict[str, int]
) -> tuple[Table, _Voices, _Voices]:
    """Return the notes of events.

    Args:
        events: all events of a file.
        ports: port of each track, see ``rhythm.ports_of``.
        ticks_per_beat: ticks per quarter note.
        damage: receives the number of repairs, by description.

    Returns:
        Notes (dtype ``NOTE``) sorted by onset, part and pitch; the voice (track * 16 + channel) and the channel
        (port * 16 + channel) of each part.

    """
    is_note = (events.status & 0xE0) == 0x80
    chosen, others = np.flatnonzero(is_note), np.flatnonzero(~is_note)
    status = events.status.take(chosen)
    voice = events.track.take(chosen) * 16 + (status & 0x0F)
    pitch, velocity, tick = events.data1.take(chosen), events.data2.take(chosen), events.tick.take(chosen)
    is_on = (status >= 0x90) & (velocity > 0)

    key = voice << 7 | pitch
    order = _stable_order(key)
    begin, stop = _pair(key.take(order), is_on.take(order), tick.take(order), ticks_per_beat, damage)

    # They are already sorted by part and pitch: a stable sort by onset completes the order.
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
    present = np.bincount(sounding, minlength=1) > 0
    notes["part"] = part = (np.cumsum(present) - 1).take(sounding)
    voices = np.flatnonzero(present)
    channels = channels_of(voices, ports)
    notes["is_drum"] = drum_notes(events, others, ports, channels, part, onset)
    changes = others[(events.status.take(others) & 0xF0) == 0xC0]
    notes["program"] = _programs(events, changes, ports, onset, part, voices, channels.tolist())
    return notes, voices, channels


def _stable_order(values: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the order that sorts ``values``, all at least 0, stably."""
    bits, largest = len(values).bit_length(), int(values.max(initial=0))
    if largest >= 1 << (62 - bits):
        return np.argsort(values, kind="stable")
    # Sorting values with their indices in the low bits is several times as fast as argsort; 32 bits are twice as fast.
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
    """Pair events that are sorted by key (voice and pitch), then time.

    Returns:
        The indices of the note-ons, and the tick at which each note ends.

    """
    if not len(key):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    if _alternate(key, is_on):
        return np.arange(0, len(key), 2), tick[1::2]
    begin, end = np.flatnonzero(is_on), np.flatnonzero(~is_on)
    # Each key has as many note-offs as note-ons, and each comes after its note-on; notes may overlap.
    if len(begin) == len(end) and np.array_equal(key.take(begin), key.take(end)) and (begin < end).all():
        return begin, tick.take(end)
    first = np.empty(len(key), dtype=np.bool_)
    first[0] = True
    np.not_equal(key[1:], key[:-1], out=first[1:])
    group = np.cumsum(first) - 1
    start = np.flatnonzero(first)

    # The number of sounding notes of the key after each event, without the note-offs that find none.
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

    # Some notes have no note-off: after the last silence of their key, each ends at the next event of the key.
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
    """Return whether each note-on is followed by its note-off, as in most files."""
    return bool(
        len(key) % 2 == 0 and is_on[::2].all() and not is_on[1::2].any() and np.array_equal(key[::2], key[1::2])
    )


def _programs(
    events: Events,
    changes: NDArray[np.int64],
    ports: Ports,
    onset: NDArray[np.int64],
    part_of: NDArray[np.int64],
    voices: _Voices,
    channels: list[int],
) -> NDArray[np.uint8]:
    """Return the program of each note: the last that was set for its channel; 0 if none was.

    Where several tracks with notes share a channel, each follows its own changes from its first one on: many writers
    put instruments on one channel.
    """
    changes = changes[:_MAX_CHANGES]
    tick, program = events.tick.take(changes), events.data1.take(changes)
    voice = events.track.take(changes) * CHANNELS + (events.status.take(changes) & 0x0F)
    channel = channels_of(voice, ports)
    start = int(onset[0]) if len(onset) else 0
    first: dict[int, tuple[int, int]] = {}  # program and voice of each channel at the first note
    varying: set[int] = set()
    rows = zip(channel.tolist(), tick.tolist(), program.tolist(), voice.tolist(), strict=True)
    for number, at, value, source in rows:
        if at <= start and first.setdefault(number, (value, source))[1] == source:
            first[number] = value, source
        elif number not in first or first[number][0] != value:
            varying.add(number)
    result = np.array([first.get(number, (0, 0))[0] for number in channels], dtype=np.uint8).take(part_of)
    if not varying.intersection(channels):
        return result  # most files have a single program for each channel
    order = np.argsort(tick, kind="stable")
    tick, program, voice, channel = tick[order], program[order], voice[order], channel[order]
    is_silent = ~np.isin(voice, voices)
    for part, number in enumerate(channels):
        if number in varying:
            own = voice == voices[part]
            since = tick[own][0] if own.any() else np.inf
            chosen = np.flatnonzero((channel == number) & (own | is_silent | (tick < since)))
            of_part = np.flatnonzero(part_of == part)
            row = np.searchsorted(tick[chosen], onset[of_part], side="right")
            result[of_part] = np.append(0, program[chosen])[row]
    return result
