"""Convert songs to and from pretty_midi's ``PrettyMIDI``. ``docs/guide/formats.md`` lists what is kept."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.midi.song import (
    BEND,
    CONTROL,
    KEY_SIGNATURE,
    RESOLUTION,
    TEMPO,
    TIME_SIGNATURE,
    Song,
    Table,
    channel_ids,
    map_of,
    require_valid_notes,
    table,
)
from bgmusic.music.midi.write import bar_lines
from bgmusic.music.rolls.interop.instruments import instruments_of, notes_from_library
from bgmusic.music.rolls.interop.keys import fifths_of_root, root_of_fifths

if TYPE_CHECKING:
    import pretty_midi

_KEYS = 12  # key numbers from here on are minor
_BENDS, _CONTROLS = (-8192, 8191), (0, 127)


def to_pretty_midi(song: Song) -> pretty_midi.PrettyMIDI:
    """Convert a song to a ``PrettyMIDI`` with one instrument for each part and program.

    Times in seconds follow the song's tempos. The resolution is the song's ticks per beat, or their smallest multiple
    from 480 up.

    Raises:
        UserError: the song is too long for pretty_midi, or a note or tempo is out of range.

    """
    import pretty_midi

    require_valid_notes(song)
    scale = -(-RESOLUTION // song.ticks_per_beat)
    maps = (song.tempos, song.time_signatures, song.key_signatures, song.controls)
    ends = song.notes["onset"] + song.notes["duration"]
    last = max(int(ticks.max(initial=0)) for ticks in (ends, *(rows["tick"] for rows in maps)))
    if last * scale + 1 >= pretty_midi.pretty_midi.MAX_TICK:
        raise UserError(f"{last} ticks at {song.ticks_per_beat} per beat are too many for pretty_midi")
    midi = _with_tempos(song, scale)
    midi.tick_to_time(last * scale + 1)  # makes pretty_midi's table of times once, not again for each later tick

    def seconds(tick: int) -> float:
        return float(midi.tick_to_time(tick * scale))

    midi.time_signature_changes = [
        pretty_midi.TimeSignature(numerator, denominator, seconds(tick))
        for tick, numerator, denominator in bar_lines(song).tolist()
    ]
    midi.key_signature_changes = [
        pretty_midi.KeySignature(root_of_fifths(fifths, minor) + _KEYS * minor, seconds(tick))
        for tick, fifths, minor in song.key_signatures.tolist()
    ]
    channels = channel_ids(song)
    for part in instruments_of(song):
        instrument = pretty_midi.Instrument(part.program, part.is_drum, part.name)
        for onset, duration, pitch, velocity in part.notes[["onset", "duration", "pitch", "velocity"]].tolist():
            instrument.notes.append(pretty_midi.Note(velocity, pitch, seconds(onset), seconds(onset + duration)))
        # Controllers apply to all parts of their channel.
        applies = channels[song.controls["part"]] == channels[part.part]
        for tick, _, number, value in song.controls[applies].tolist():
            if number == BEND:
                instrument.pitch_bends.append(pretty_midi.PitchBend(value, seconds(tick)))
            else:
                instrument.control_changes.append(pretty_midi.ControlChange(number, value, seconds(tick)))
        midi.instruments.append(instrument)
    return midi


def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> Song:
    """Convert a ``PrettyMIDI`` to a song with the same ticks.

    Raises:
        UserError: it has no notes, a note begins before time 0, or a value is outside MIDI's range.

    """
    _require_times(midi)

    def ticks(time: float) -> int:
        return int(midi.time_to_tick(time))

    notes = notes_from_library(
        (
            (
                ticks(note.start),
                ticks(note.end),
                note.pitch,
                note.velocity,
                instrument.program,
                instrument.is_drum,
                part,
            )
            for part, instrument in enumerate(midi.instruments)
            for note in instrument.notes
        ),
        "PrettyMIDI",
    )
    times, bpms = midi.get_tempo_changes()
    keys = []
    for key in midi.key_signature_changes:
        minor, root = divmod(key.key_number, _KEYS)
        keys.append((ticks(key.time), fifths_of_root(root, bool(minor)), bool(minor)))
    controls = _controls(midi)
    ends = notes["onset"] + notes["duration"]
    return Song(
        ticks_per_beat=midi.resolution,
        notes=notes,
        tempos=map_of(TEMPO, [(ticks(t), bpm) for t, bpm in zip(times, bpms, strict=True)]),
        time_signatures=map_of(
            TIME_SIGNATURE,
            [(ticks(change.time), change.numerator, change.denominator) for change in midi.time_signature_changes],
        ),
        key_signatures=map_of(KEY_SIGNATURE, keys),
        parts=tuple(_utf8(instrument.name) for instrument in midi.instruments),
        end=max(int(ends.max()), int(controls["tick"].max(initial=0))),
        controls=controls,
    )


def _with_tempos(song: Song, scale: int) -> pretty_midi.PrettyMIDI:
    """Return an empty ``PrettyMIDI`` with the song's resolution and tempos.

    They are read from a MIDI file: pretty_midi has no other way to set tempo changes.
    """
    import mido
    import pretty_midi

    track, before = mido.MidiTrack(), 0
    for tick, bpm in song.tempos.tolist():
        beat = round(60e6 / bpm) if bpm > 0 else 0
        if not 0 < beat <= 0xFFFFFF:
            raise UserError(f"a tempo of {bpm:g} beats per minute is out of MIDI's range, {60e6 / 0xFFFFFF:.4g} to 6e7")
        track.append(mido.MetaMessage("set_tempo", tempo=beat, time=(tick - before) * scale))
        before = tick
    data = io.BytesIO()
    mido.MidiFile(tracks=[track], ticks_per_beat=song.ticks_per_beat * scale).save(file=data)
    data.seek(0)
    return pretty_midi.PrettyMIDI(data, charset="utf-8")  # names may be in any script when it is written


def _controls(midi: pretty_midi.PrettyMIDI) -> Table:
    """Return the controllers and pitch bends of all instruments, sorted by tick."""
    rows = []
    for part, instrument in enumerate(midi.instruments):
        events = [(event.time, event.number, event.value, _CONTROLS) for event in instrument.control_changes]
        events += [(event.time, BEND, event.pitch, _BENDS) for event in instrument.pitch_bends]
        for time, number, value, (low, high) in sorted(events, key=lambda event: float(event[0])):
            if not (BEND <= number <= _CONTROLS[1] and low <= value <= high):
                name = "a pitch bend" if number == BEND else f"controller {number}"
                raise UserError(f"PrettyMIDI, instrument {part + 1}: {name} of {value} is not within {low} to {high}")
            rows.append((int(midi.time_to_tick(time)), part, number, value))
    rows.sort(key=lambda row: row[0])
    return table(CONTROL, rows)


def _require_times(midi: pretty_midi.PrettyMIDI) -> None:
    """Check that notes begin at time 0 or later: ``time_to_tick`` returns 0 for negative times."""
    starts = np.array([note.start for instrument in midi.instruments for note in instrument.notes], dtype=np.float64)
    if not (starts >= 0).all():
        raise UserError(f"PrettyMIDI: a note begins before the piece, at {starts[~(starts >= 0)][0]:g} seconds")


def _utf8(name: str) -> str:
    """Decode a name again that pretty_midi read as Latin-1 although it was UTF-8."""
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name
