"""Find the notes that are drums: by channel, by messages of GM2, GS and XG, and by track names.

Channel 10 is drums. These messages change that, for a channel from their tick on:

- Bank select (controller 0) with value 120 (GM2), 126 or 127 (XG): drums. Value 121 (GM2): pitched. Other banks restore
  the default. Files for GS use banks 126 and 127 for pitched sounds of the MT-32, so there only messages count.
- GS, "use for rhythm part": ``F0 41 dev 42 12 40 1p 15 mode sum F7``, where mode 0 is pitched.
- XG, "part mode": ``F0 43 1n 4C 08 part 07 mode F7``, where mode 0 is pitched.
- The resets of GM, GM2, GS and XG restore the default.

Sources: GM2 (RP-024), the SC-88 and MU80 manuals. A track with a drum-like name on a channel without any program is
drums too, because the alternative, piano, is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.events import EXCLUSIVE, PORT, Events
from bgmusic.music.midi.song import Table

DRUM_CHANNEL = 9  # channel 10, counted from 1
CHANNELS = 16  # of a port
BANK = 0  # controller
BANK_SELECTS = (BANK, 32)  # coarse and fine
DRUM_BANKS, PITCHED_BANKS = (120, 126, 127), (121,)
_CONTROLLER, _PROGRAM = 0xB0, 0xC0
_MAX_CHANGES = 1 << 16  # later bank selects are ignored

# Exclusive messages without their device numbers.
_GS, _GS_RHYTHM = b"\x41\x42\x12\x40", 0x15
_XG, _XG_MODE = b"\x43\x4c", 0x07
_RESETS = (b"\x7e\x09\x01", b"\x7e\x09\x03", _GS + b"\x00\x7f", _XG + b"\x00\x00\x7e")
_GS_CHANNELS = (9, *range(9), *range(10, 16))  # of the parts 0 to 15

Ports: TypeAlias = NDArray[np.int64] | None  # see ports_of

# A change of a channel: tick, channel, and whether it is drums from then on; None for the default.
_Change = tuple[int, int, bool | None]

_WORDS = (
    r"drums?|drum ?(?:kit|set|machine)s?|percussions?|perc|schlagzeug|batterie|bater[ií]a|batteria|trommeln|ударные"
)
_NAME = re.compile(rf"(?<!\w)(?:{_WORDS})(?![^\W\d_])|ドラム|鼓组|鼓組", re.IGNORECASE)
_PITCHED_NAME = re.compile(r"\bsteel\b|(?:\band|\bn|&)\W*bass\b", re.IGNORECASE)


def is_drum_name(name: str) -> bool:
    """Return whether the name of a track says drums."""
    return bool(_NAME.search(name)) and not _PITCHED_NAME.search(name)


def ports_of(events: Events) -> Ports:
    """Return the port of each track, int64 ``(tracks,)``: its first port message, else 0. None if all are 0."""
    ports: dict[int, int] = {}
    for track, _, kind, content in events.metas:
        if kind == PORT and content:
            ports.setdefault(track, content[0] & 0x7F)
    if not any(ports.values()):
        return None
    return np.array([ports.get(track, 0) for track in range(len(events.ends))], dtype=np.int64)


def channels_of(voices: NDArray[np.int64], ports: Ports) -> NDArray[np.int64]:
    """Return the channel (port * 16 + channel) of each voice (track * 16 + channel)."""
    channels = voices & (CHANNELS - 1)
    return channels if ports is None else ports.take(voices // CHANNELS) * CHANNELS + channels


def drum_notes(
    events: Events,
    others: NDArray[np.int64],
    ports: Ports,
    channels: NDArray[np.int64],
    part: NDArray[np.int64],
    onset: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return which notes are drums by their channel and its messages, boolean ``(notes,)``.

    Args:
        events: all events of a file.
        others: indices of the events that are not notes.
        ports: port of each track.
        channels: port * 16 + channel of each part.
        part: part of each note.
        onset: onset of each note in ticks.

    """
    default = (channels & (CHANNELS - 1)) == DRUM_CHANNEL
    result: NDArray[np.bool_] = default.take(part)
    changes: dict[int, list[tuple[int, bool]]] = {}
    for tick, channel, is_drum in _changes(events, others, ports):
        known = channel % CHANNELS == DRUM_CHANNEL if is_drum is None else is_drum
        changes.setdefault(channel, []).append((tick, known))
    for index, channel in enumerate(channels.tolist()):
        if rows := changes.get(channel):
            since, values = np.array([(-1, default[index]), *rows]).T
            own = np.flatnonzero(part == index)
            result[own] = values[np.searchsorted(since, onset[own], side="right") - 1] != 0
    return result


def _changes(events: Events, others: NDArray[np.int64], ports: Ports) -> list[_Change]:
    """Return the changes of channels, sorted by tick, resets first; none if there are only resets."""
    resets: list[_Change] = []
    modes: list[_Change] = []
    is_gs = is_xg = False
    for track, tick, kind, content in events.metas:
        if kind != EXCLUSIVE:
            continue
        first = 0 if ports is None else int(ports[track]) * CHANNELS
        message = content[:1] + content[2:]
        if message.startswith(_RESETS):
            resets += [(tick, first + channel, None) for channel in range(CHANNELS)]
        if message.startswith(_GS):
            is_gs = True
            if len(content) > 7 and content[5] >> 4 == 1 and content[6] == _GS_RHYTHM:
                modes.append((tick, first + _GS_CHANNELS[content[5] & 0x0F], content[7] > 0))
        elif message.startswith(_XG):
            is_xg = True
            if len(content) > 6 and content[3] == 8 and content[4] < CHANNELS and content[5] == _XG_MODE:
                modes.append((tick, first + content[4], content[6] > 0))
    if is_xg or not is_gs:
        modes += _banks(events, others, ports)
    return sorted([*resets, *modes], key=lambda change: change[0]) if modes else []


def _banks(events: Events, others: NDArray[np.int64], ports: Ports) -> list[_Change]:
    """Return the changes by bank select, if any bank is one of drums or of GM2."""
    selects = others[events.data1.take(others) == BANK]
    selects = selects[(events.status.take(selects) & 0xF0) == _CONTROLLER]
    values = events.data2.take(selects)
    if values.max(initial=0) < min(DRUM_BANKS):
        return []
    selects = selects[:_MAX_CHANGES]
    channels = _channels_at(events, selects, ports)
    ticks = events.tick.take(selects)
    return [
        (tick, channel, True if value in DRUM_BANKS else False if value in PITCHED_BANKS else None)
        for tick, channel, value in zip(ticks.tolist(), channels.tolist(), values.tolist(), strict=False)
    ]


def drums_by_name(
    events: Events, notes: Table, names: Sequence[str], channels: NDArray[np.int64], ports: Ports
) -> list[str]:
    """Mark the notes of parts with a drum-like name as drums, where their channel has no program.

    Args:
        events: all events of a file.
        notes: all notes (dtype ``NOTE``), changed in place.
        names: name of the track of each part.
        channels: port * 16 + channel of each part.
        ports: port of each track.

    Returns:
        Lines of information: the parts that were changed, and those named like drums that are piano by program.

    """
    if not _NAME.search("\n".join(names)):
        return []
    named = [part for part in range(len(names)) if channels[part] % CHANNELS != DRUM_CHANNEL]
    named = [part for part in named if is_drum_name(names[part])]
    named = [part for part in named if not notes["is_drum"][notes["part"] == part].any()]
    if not named:
        return []
    changes = np.flatnonzero((events.status & 0xF0) == _PROGRAM)
    having = set(_channels_at(events, changes, ports).tolist())
    bare = [part for part in named if int(channels[part]) not in having]
    notes["is_drum"][np.isin(notes["part"], bare)] = True
    pianos = [part for part in named if part not in bare and not notes["program"][notes["part"] == part].any()]
    lines = []
    for text, parts in (
        ("drums by name, for want of a program", bare),
        ("piano by program, although named like drums", pianos),
    ):
        if parts:
            shown = [f"{names[part][:40]!r} on channel {channels[part] % CHANNELS + 1}" for part in parts[:3]]
            more = [f"{len(parts) - 3} more"] if len(parts) > 3 else []
            lines.append(f"{text}: {', '.join(shown + more)}")
    return lines


def _channels_at(events: Events, indices: NDArray[np.int64], ports: Ports) -> NDArray[np.int64]:
    """Return the channels of some events."""
    voices = events.track.take(indices).astype(np.int64) * CHANNELS + (events.status.take(indices) & 0x0F)
    return channels_of(voices, ports)
