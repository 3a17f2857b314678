"""MIDI files in.

Any bytes end in a song or in a ``MidiError`` that says why not; time and memory are bounded by the file's
size. A sound file is read with array operations (``midi_fast.fast_events``), a damaged one byte by byte,
to the same notes.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi import events as events_module
from bgmusic.music.midi.events import Events, careful_events
from bgmusic.music.midi.fast import fast_events
from bgmusic.music.midi.file import MidiError, MidiFile, load, open_midi
from bgmusic.music.midi.notes import notes_of
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

_SHORTEST_DENOMINATOR = 64
_FASTEST = int(60e6 / BPM_RANGE[1])  # microseconds a beat
_MAX_FIFTHS = 7
_CONTROLLER, _BEND, _MIDDLE = 0xB0, 0xE0, 0x2000


def read_midi(source: bytes | str | Path, controls: bool = False) -> Song:
    """Read a MIDI file from bytes or a path (plain, gzip'd, or in a RIFF wrapper).

    Time is in the file's ticks; with SMPTE time, beats are those of the file's first tempo (or of 120 a
    minute), at 480 ticks each. Of format 2 the patterns follow one another. Channel 10 is drums.
    ``repairs`` says what was mended. ``controls`` says whether controllers and pitch bends are read too: those that
    stand in the track of the notes whose channel they are for.

    Raises:
        MidiError: it is not music, and why.
        OSError: the file can't be read.

    """
    file = open_midi(load(source))
    events = fast_events(file.data, file.tracks)
    if events is None:
        events = careful_events(file.data, file.tracks)
    return _song(file, events, controls)


def _song(file: MidiFile, events: Events, controls: bool) -> Song:
    repairs = list(file.repairs)
    damage = events.damage
    ticks_per_beat = file.ticks_per_beat
    if file.format == 2 and len(file.tracks) > 1:
        events = _in_sequence(events, ticks_per_beat or RESOLUTION)
        repairs.append(f"format 2: {len(file.tracks)} patterns, one after the other")
    tempos, times, keys, names = _maps(events, damage)
    bpm = float(tempos["bpm"][0]) if len(tempos) else DEFAULT_BPM
    beat = float(ticks_per_beat or file.ticks_per_second * 60 / bpm)
    notes, voices = notes_of(events, beat, damage)
    turned = _controls(events, voices) if controls else table(CONTROL)
    end = max(events.ends, default=0)
    if not len(notes):
        raise MidiError("; ".join(["no notes", *repairs]))
    if ticks_per_beat is None:
        repairs.append(f"SMPTE time: beats are those of {bpm:g} a minute")
        notes, end = _rescaled(notes, (tempos, times, keys, turned), end, RESOLUTION / beat)
        ticks_per_beat = RESOLUTION
    repairs += [f"{what}: {count}" for what, count in damage.items()]
    return Song(
        ticks_per_beat=ticks_per_beat,
        notes=notes,
        tempos=tempos,
        time_signatures=times,
        key_signatures=keys,
        parts=_part_names(voices, names),
        end=max(end, int((notes["onset"] + notes["duration"]).max())),
        title=names.get(0, ""),
        repairs=tuple(repairs),
        controls=turned,
    )


def _controls(events: Events, voices: NDArray[np.int64]) -> Table:
    """Controllers and pitch bends (dtype ``CONTROL``) of the voices that have notes, by tick."""
    command, voice = events.status & 0xF0, events.track.astype(np.int64) * 16 + (events.status & 0x0F)
    bends = command == _BEND
    chosen = np.flatnonzero((bends | (command == _CONTROLLER)) & np.isin(voice, voices))
    chosen = chosen[np.argsort(events.tick[chosen], kind="stable")]
    found = np.empty(len(chosen), dtype=CONTROL)
    found["tick"], found["part"] = events.tick[chosen], np.searchsorted(voices, voice[chosen])
    low, high = events.data1[chosen].astype(np.int16), events.data2[chosen].astype(np.int16)
    found["number"] = np.where(bends[chosen], BEND, low)
    found["value"] = np.where(bends[chosen], (high << 7 | low) - _MIDDLE, high)
    return found


def _maps(events: Events, damage: dict[str, int]) -> tuple[Table, Table, Table, dict[int, str]]:
    """The maps of tempo, time and key signature, and the tracks' names."""
    tempos: dict[int, tuple[float]] = {}
    times: dict[int, tuple[int, int]] = {}
    keys: dict[int, tuple[int, bool]] = {}
    names: dict[int, str] = {}
    senseless = 0
    for track, tick, kind, content in events.metas:
        if kind == events_module.TRACK_NAME:
            names.setdefault(track, _text(content))
        elif kind == events_module.TEMPO and len(content) == 3 and int.from_bytes(content, "big") >= _FASTEST:
            tempos[tick] = (60e6 / int.from_bytes(content, "big"),)
        elif kind == events_module.TIME_SIGNATURE and len(content) >= 2 and _is_metre(content):
            times[tick] = (content[0], 1 << content[1])
        elif kind == events_module.KEY_SIGNATURE and len(content) == 2 and _is_key(content):
            keys[tick] = (int.from_bytes(content[:1], "big", signed=True), bool(content[1]))
        else:
            senseless += 1
    if senseless:
        damage["tempos, time or key signatures that make no sense"] = senseless
    return _map(TEMPO, tempos), _map(TIME_SIGNATURE, times), _map(KEY_SIGNATURE, keys), names


def _is_metre(content: bytes) -> bool:
    return content[0] > 0 and 1 << min(content[1], 7) <= _SHORTEST_DENOMINATOR


def _is_key(content: bytes) -> bool:
    return abs(int.from_bytes(content[:1], "big", signed=True)) <= _MAX_FIFTHS and content[1] <= 1


def _map(dtype: np.dtype[Any], rows: dict[int, Any]) -> Table:
    return table(dtype, [(tick, *rows[tick]) for tick in sorted(rows)])


def _text(content: bytes) -> str:
    """A name in UTF-8, else in Shift-JIS or Latin-1 (where any bytes are text); no control characters."""
    if content.isascii() and (text := content.decode("ascii")).isprintable():
        return text.strip()
    # Bytes from 0x80 to 0x9f are control characters in Latin-1, and the commonest of Shift-JIS.
    guesses = ["utf-8", "cp932"] if any(0x80 <= byte < 0xA0 for byte in content) else ["utf-8"]
    text = content.decode("latin-1")
    for guess in guesses:
        with contextlib.suppress(UnicodeDecodeError):
            text = content.decode(guess)
            break
    return "".join(character for character in text if character.isprintable()).strip()


def _part_names(voices: NDArray[np.int64], names: dict[int, str]) -> tuple[str, ...]:
    """Each voice by its track's name, with the channel where a track has several."""
    tracks = (voices // 16).tolist()
    return tuple(
        " ".join(filter(None, [names.get(track, ""), str(voice % 16 + 1) if tracks.count(track) > 1 else ""]))
        for track, voice in zip(tracks, voices.tolist(), strict=True)
    )


def _in_sequence(events: Events, ticks_per_beat: int) -> Events:
    """Tracks one after the other, each on the next whole 4/4 bar."""
    bar = 4 * ticks_per_beat
    lengths = [-(-end // bar) * bar for end in events.ends]
    shift = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64)
    metas = [(track, tick + int(shift[track]), kind, content) for track, tick, kind, content in events.metas]
    ends = [end + int(shift[track]) for track, end in enumerate(events.ends)]
    tick = events.tick + shift[events.track]
    return Events(events.track, tick, events.status, events.data1, events.data2, metas, ends, events.damage)


def _rescaled(notes: Table, maps: tuple[Table, ...], end: int, scale: float) -> tuple[Table, int]:
    """Everything with its ticks multiplied by ``scale`` and rounded, the maps in place."""
    stop = np.rint((notes["onset"] + notes["duration"]) * scale).astype(np.int64)
    notes["onset"] = np.rint(notes["onset"] * scale)
    notes["duration"] = np.maximum(stop - notes["onset"], 1)
    for rows in maps:
        rows["tick"] = np.rint(rows["tick"] * scale)
    return notes, round(end * scale)
