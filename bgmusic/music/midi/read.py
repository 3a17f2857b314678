"""Read MIDI files.

A file is untrusted input: any bytes give a song or a ``MidiError`` with the reason, in time and memory bounded by the
file's size. Valid files are read with array operations (``fast.fast_events``), damaged ones byte by byte
(``events.careful_events``); both give the same notes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi import events as events_module
from bgmusic.music.midi.events import Events, careful_events
from bgmusic.music.midi.fast import fast_events
from bgmusic.music.midi.file import MidiError, MidiFile, load, open_midi
from bgmusic.music.midi.names import decode_name
from bgmusic.music.midi.notes import notes_of
from bgmusic.music.midi.rhythm import CHANNELS, Ports, channels_of, drums_by_name, ports_of
from bgmusic.music.midi.song import (
    BEND,
    BPM_RANGE,
    CONTROL,
    DEFAULT_BPM,
    KEY_SIGNATURE,
    RESOLUTION,
    TEMPO,
    TIME_SIGNATURE,
    Song,
    Table,
    table,
)

__all__ = ["MidiError", "read_midi"]

# The texts of repairs and of MidiError are stored in corpora (meta.json): changing one changes the data.
_SHORTEST_DENOMINATOR = 64
_FASTEST = int(60e6 / BPM_RANGE[1])  # microseconds per beat
_MAX_FIFTHS = 7
_CONTROLLER, _BEND, _MIDDLE = 0xB0, 0xE0, 0x2000


def read_midi(source: bytes | str | Path, controls: bool = False) -> Song:
    """Read a MIDI file.

    Time is in the file's ticks. With SMPTE time, a beat is 480 ticks at the file's first tempo, or at 120 beats per
    minute. The patterns of a format 2 file follow one another. Drums are channel 10, the channels that messages of GM2,
    GS or XG turn to drums (see ``rhythm``), and tracks with a drum-like name on a channel without a program.

    Args:
        source: the file's content or path; plain, gzip'd, or in a RIFF wrapper.
        controls: whether to read the controllers and pitch bends of channels that have notes, in whatever track they
            stand.

    Returns:
        The song; its ``repairs`` list what was wrong with the file.

    Raises:
        MidiError: the file has no notes or is not a MIDI file; the text is the reason.
        OSError: the file cannot be read.

    """
    file = open_midi(load(source))
    events = fast_events(file.data, file.tracks)
    if events is None:
        events = careful_events(file.data, file.tracks)
    return _song(file, events, controls)


def _song(file: MidiFile, events: Events, controls: bool) -> Song:
    """Make a song of a file's events."""
    repairs = list(file.repairs)
    damage = events.damage
    ticks_per_beat = file.ticks_per_beat
    if file.format == 2 and len(file.tracks) > 1:
        events = _in_sequence(events, ticks_per_beat or RESOLUTION)
        repairs.append(f"format 2: {len(file.tracks)} patterns, one after the other")
    tempos, times, keys, raw_names = _maps(events, damage)
    names = {track: decode_name(content) for track, content in raw_names.items()}
    bpm = float(tempos["bpm"][0]) if len(tempos) else DEFAULT_BPM
    beat = float(ticks_per_beat or file.ticks_per_second * 60 / bpm)
    ports = ports_of(events)
    notes, voices, channels = notes_of(events, ports, beat, damage)
    turned = _controls(events, voices, channels, ports) if controls else table(CONTROL)
    end = max(events.ends, default=0)
    if not len(notes):
        raise MidiError("; ".join(["no notes", *repairs]))
    if ticks_per_beat is None:
        repairs.append(f"SMPTE time: beats are those of {bpm:g} a minute")
        notes, end = _rescaled(notes, (tempos, times, keys, turned), end, RESOLUTION / beat)
        ticks_per_beat = RESOLUTION
    repairs += [f"{what}: {count}" for what, count in damage.items()]
    tracks = [names.get(voice // CHANNELS, "") for voice in voices.tolist()]
    repairs += drums_by_name(events, notes, tracks, channels, ports)
    parts, raw_parts = _part_names(voices, names, raw_names)
    return Song(
        ticks_per_beat=ticks_per_beat,
        notes=notes,
        tempos=tempos,
        time_signatures=times,
        key_signatures=keys,
        parts=parts,
        channels=tuple((channels + 1).tolist()),
        end=max(end, int((notes["onset"] + notes["duration"]).max())),
        title=names.get(0, ""),
        repairs=tuple(repairs),
        controls=turned,
        raw_names=raw_parts,
    )


def _controls(events: Events, voices: NDArray[np.int64], channels: NDArray[np.int64], ports: Ports) -> Table:
    """Return the controllers and pitch bends (dtype ``CONTROL``) of the channels with notes, sorted by tick.

    Their part is that of their own track and channel if it has notes, else the first part of the channel.
    """
    bends = (events.status & 0xF0) == _BEND
    chosen = np.flatnonzero(bends | ((events.status & 0xF0) == _CONTROLLER))
    voice = events.track[chosen].astype(np.int64) * CHANNELS + (events.status[chosen] & 0x0F)
    number = channels_of(voice, ports)
    first = np.full(int(max(channels.max(initial=0), number.max(initial=0))) + 1, -1, dtype=np.int64)
    first[channels[::-1]] = np.arange(len(channels))[::-1]
    own = np.minimum(np.searchsorted(voices, voice), len(voices) - 1)
    part = np.where(voices[own] == voice, own, first[number])
    chosen, part = chosen[part >= 0], part[part >= 0]
    order = np.argsort(events.tick[chosen], kind="stable")
    chosen, part = chosen[order], part[order]
    controls = np.empty(len(chosen), dtype=CONTROL)
    controls["tick"], controls["part"] = events.tick[chosen], part
    low, high = events.data1[chosen].astype(np.int16), events.data2[chosen].astype(np.int16)
    controls["number"] = np.where(bends[chosen], BEND, low)
    controls["value"] = np.where(bends[chosen], (high << 7 | low) - _MIDDLE, high)
    return controls


def _maps(events: Events, damage: dict[str, int]) -> tuple[Table, Table, Table, dict[int, bytes]]:
    """Return tempos, time signatures, key signatures, and the names of tracks as bytes."""
    tempos: dict[int, tuple[float]] = {}
    times: dict[int, tuple[int, int]] = {}
    keys: dict[int, tuple[int, bool]] = {}
    names: dict[int, bytes] = {}
    invalid = 0
    for track, tick, kind, content in events.metas:
        if kind == events_module.TRACK_NAME:
            names.setdefault(track, content)
        elif kind == events_module.TEMPO and len(content) == 3 and int.from_bytes(content, "big") >= _FASTEST:
            tempos[tick] = (60e6 / int.from_bytes(content, "big"),)
        elif kind == events_module.TIME_SIGNATURE and len(content) >= 2 and _is_metre(content):
            times[tick] = (content[0], 1 << content[1])
        elif kind == events_module.KEY_SIGNATURE and len(content) == 2 and _is_key(content):
            keys[tick] = (int.from_bytes(content[:1], "big", signed=True), bool(content[1]))
        elif kind not in (events_module.EXCLUSIVE, events_module.PORT):
            invalid += 1
    if invalid:
        damage["tempos, time or key signatures that make no sense"] = invalid
    return _map(TEMPO, tempos), _map(TIME_SIGNATURE, times), _map(KEY_SIGNATURE, keys), names


def _is_metre(content: bytes) -> bool:
    return content[0] > 0 and 1 << min(content[1], 7) <= _SHORTEST_DENOMINATOR


def _is_key(content: bytes) -> bool:
    return abs(int.from_bytes(content[:1], "big", signed=True)) <= _MAX_FIFTHS and content[1] <= 1


def _map(dtype: np.dtype[Any], rows: dict[int, Any]) -> Table:
    return table(dtype, [(tick, *rows[tick]) for tick in sorted(rows)])


def _part_names(
    voices: NDArray[np.int64], names: Mapping[int, str], raw_names: Mapping[int, bytes]
) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """Name each voice by its track, and by its channel if the track has several.

    Returns:
        The names, and the bytes of those names (and of the title) that differ from the name in UTF-8.

    """
    tracks = (voices // CHANNELS).tolist()
    encoded = {track: content for track, content in raw_names.items() if content != names[track].encode()}
    several = {track for track, following in pairwise(tracks) if track == following}  # voices are sorted
    if not several and not encoded:
        return tuple(names.get(track, "") for track in tracks), {}
    parts: list[str] = []
    raw = {names[0]: encoded[0]} if 0 in encoded else {}  # the title
    for track, voice in zip(tracks, voices.tolist(), strict=True):
        number = str(voice % CHANNELS + 1) if track in several else ""
        parts.append(" ".join(filter(None, [names.get(track, ""), number])))
        if track in encoded:
            raw.setdefault(parts[-1], b" ".join(filter(None, [encoded[track], number.encode()])))
    raw.pop("", None)
    return tuple(parts), raw


def _in_sequence(events: Events, ticks_per_beat: int) -> Events:
    """Place tracks one after the other, each at the start of the next 4/4 bar."""
    bar = 4 * ticks_per_beat
    lengths = [-(-end // bar) * bar for end in events.ends]
    shift = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64)
    metas = [(track, tick + int(shift[track]), kind, content) for track, tick, kind, content in events.metas]
    ends = [end + int(shift[track]) for track, end in enumerate(events.ends)]
    tick = events.tick + shift[events.track]
    return Events(events.track, tick, events.status, events.data1, events.data2, metas, ends, events.damage)


def _rescaled(notes: Table, maps: tuple[Table, ...], end: int, scale: float) -> tuple[Table, int]:
    """Multiply all ticks by ``scale`` and round them, in place; return the notes and the end."""
    stop = np.rint((notes["onset"] + notes["duration"]) * scale).astype(np.int64)
    notes["onset"] = np.rint(notes["onset"] * scale)
    notes["duration"] = np.maximum(stop - notes["onset"], 1)
    for rows in maps:
        rows["tick"] = np.rint(rows["tick"] * scale)
    return notes, round(end * scale)
