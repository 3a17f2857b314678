"""The notes of a piece in ticks: the common format of all readers and writers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.plurals import count_of

if TYPE_CHECKING:
    import muspy
    import pretty_midi
    import pypianoroll

DEFAULT_BPM = 120.0
DEFAULT_VELOCITY = 100
COMMON_TIME = (4, 4)
RESOLUTION = 480  # least ticks per beat of files that are written: a multiple of every common resolution

# `onset` and `duration` are in ticks; `part` is an index into the song's parts.
NOTE = np.dtype(
    [
        ("onset", np.int64),
        ("duration", np.int64),
        ("pitch", np.uint8),
        ("velocity", np.uint8),
        ("program", np.uint8),
        ("is_drum", np.bool_),
        ("part", np.int32),
    ]
)
TEMPO = np.dtype([("tick", np.int64), ("bpm", np.float64)])  # quarter notes per minute
TIME_SIGNATURE = np.dtype([("tick", np.int64), ("numerator", np.int32), ("denominator", np.int32)])
KEY_SIGNATURE = np.dtype([("tick", np.int64), ("fifths", np.int8), ("minor", np.bool_)])  # -7 to 7 sharps

# `number` is that of a controller, with values 0 to 127; or BEND, with values -8192 to 8191.
CONTROL = np.dtype([("tick", np.int64), ("part", np.int32), ("number", np.int16), ("value", np.int16)])
BEND = -1
PERCUSSION = 10  # the channel of drums, counted from 1

_LONGEST_TITLE = 60  # characters shown

BPM_RANGE = (1.0, 100_000.0)  # tempos outside are ignored
PLAYABLE_BPM = (4.0, 1000.0)  # of music that is generated or rendered

Table = NDArray[np.void]  # a structured array of one of the types above


def table(dtype: np.dtype[Any], rows: Sequence[tuple[Any, ...]] = ()) -> Table:
    """Make a structured array of rows."""
    return np.array(list(rows), dtype=dtype)


@dataclass(frozen=True, eq=False)
class Song:
    """The notes of one piece, with its tempos, time signatures and keys. A beat is a quarter note.

    Attributes:
        ticks_per_beat: ticks per quarter note.
        notes: dtype ``NOTE``, sorted by onset, part and pitch; durations are at least one tick.
        tempos: dtype ``TEMPO``, sorted by tick, one row per tick; empty if unknown, as the next two.
        time_signatures: dtype ``TIME_SIGNATURE``.
        key_signatures: dtype ``KEY_SIGNATURE``.
        parts: names of the parts; ``notes["part"]`` is an index into them.
        pickup: length in ticks of an incomplete first bar; 0 for none.
        end: the last tick with an event.
        title: title of the piece, or "".
        repairs: what was wrong with the file and how it was repaired, one line each.
        controls: dtype ``CONTROL``, controllers and pitch bends sorted by tick, if the reader was asked for them. They
            apply to all parts of their part's channel.
        channels: MIDI channel of each part, 1 to 16, or from 17 on further ports; empty if each part has its own.
        raw_names: bytes of the names (parts and title) that a file holds in another form than the name in UTF-8. They
            are written back unchanged.

    Raises:
        TypeError: a table has another dtype, or ``ticks_per_beat`` is not an integer.
        UserError: ``ticks_per_beat`` is not positive, or ``channels`` and ``parts`` differ in number.

    """

    ticks_per_beat: int
    notes: Table
    tempos: Table = field(default_factory=lambda: table(TEMPO))
    time_signatures: Table = field(default_factory=lambda: table(TIME_SIGNATURE))
    key_signatures: Table = field(default_factory=lambda: table(KEY_SIGNATURE))
    parts: tuple[str, ...] = ()
    pickup: int = 0
    end: int = 0
    title: str = ""
    repairs: tuple[str, ...] = ()
    controls: Table = field(default_factory=lambda: table(CONTROL))
    channels: tuple[int, ...] = ()
    raw_names: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, dtype in (
            ("notes", NOTE),
            ("tempos", TEMPO),
            ("time_signatures", TIME_SIGNATURE),
            ("key_signatures", KEY_SIGNATURE),
            ("controls", CONTROL),
        ):
            value = getattr(self, name)
            if not isinstance(value, np.ndarray) or value.dtype != dtype or value.ndim != 1:
                raise TypeError(f"{name} must be a 1-D array of dtype {dtype}, not {type(value).__name__}")
        if not isinstance(self.ticks_per_beat, (int, np.integer)):
            raise TypeError(f"ticks_per_beat must be an integer, not {self.ticks_per_beat!r}")
        if self.ticks_per_beat < 1:
            raise UserError(f"ticks_per_beat must be at least 1, not {self.ticks_per_beat}")
        if self.channels and (len(self.channels) != len(self.parts) or min(self.channels) < 1):
            raise UserError(f"{len(self.parts)} parts need as many channels, from 1, not {self.channels}")

    def __repr__(self) -> str:
        named = f"{self.title!r:.{_LONGEST_TITLE}}: " if self.title else ""
        metres = [f"{n}/{d}" for _, n, d in self.time_signatures[:1].tolist()]
        beats = max(self.end, int((self.notes["onset"] + self.notes["duration"]).max(initial=0))) / self.ticks_per_beat
        sizes = f"{count_of(len(self.parts), 'part')}, {count_of(len(self.notes), 'note')}"
        length = f"{beats:g} beat{'s' * (beats != 1)}"
        return f"Song({named}{', '.join([sizes, length, *metres, f'{self.bpm:.4g} bpm'])})"

    @property
    def bpm(self) -> float:
        """The tempo at the first note, in beats per minute; 120, MIDI's default, if there is none in range."""
        if not len(self.tempos):
            return DEFAULT_BPM
        first = int(self.notes["onset"][0]) if len(self.notes) else 0
        row = int(np.searchsorted(self.tempos["tick"], first, side="right")) - 1
        bpm = float(self.tempos["bpm"][row]) if row >= 0 else DEFAULT_BPM
        return bpm if BPM_RANGE[0] <= bpm <= BPM_RANGE[1] else DEFAULT_BPM

    def to_pretty_midi(self) -> pretty_midi.PrettyMIDI:
        """Convert to a pretty_midi ``PrettyMIDI``."""
        return _interop("pretty_midi").to_pretty_midi(self)

    def to_muspy(self) -> muspy.Music:
        """Convert to a muspy ``Music``."""
        return _interop("muspy").to_muspy(self)

    def to_pypianoroll(self, resolution: int = 24) -> pypianoroll.Multitrack:
        """Convert to a pypianoroll ``Multitrack`` with ``resolution`` steps per beat."""
        return _interop("pypianoroll").song_to_pypianoroll(self, resolution)

    @staticmethod
    def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> Song:
        """Convert a pretty_midi ``PrettyMIDI``."""
        song: Song = _interop("pretty_midi").from_pretty_midi(midi)
        return song

    @staticmethod
    def from_muspy(music: muspy.Music) -> Song:
        """Convert a muspy ``Music``."""
        song: Song = _interop("muspy").from_muspy(music)
        return song

    @staticmethod
    def from_pypianoroll(multitrack: pypianoroll.Multitrack) -> Song:
        """Convert a pypianoroll ``Multitrack``."""
        song: Song = _interop("pypianoroll").from_pypianoroll(multitrack)
        return song


def _interop(library: str) -> Any:
    """Import the conversions to and from a library on use: they are in a layer above this one."""
    return import_module(f"bgmusic.music.rolls.interop.{library}")


def channel_ids(song: Song) -> NDArray[np.int64]:
    """Return the number of each part's channel, int64 ``(parts,)``: parts of one channel share their controllers."""
    parts = [len(song.parts), *(int(rows["part"].max(initial=-1)) + 1 for rows in (song.notes, song.controls))]
    return np.array(song.channels if song.channels else range(max(parts)), dtype=np.int64)


def select_parts(song: Song, parts: Sequence[int]) -> Song:
    """Return a song with some of the parts alone: their notes, and the controllers of their channels.

    Args:
        song: the song.
        parts: indices of the parts, ascending.

    """
    kept, ids = np.array(parts, dtype=np.int64), channel_ids(song)
    number = np.full(len(ids), -1, dtype=np.int64)
    # Controllers of another part on the channel of a kept part go to that part.
    for index, part in reversed(list(enumerate(parts))):
        number[ids == ids[part]] = index
    own = number.copy()
    own[kept] = np.arange(len(kept))
    notes = song.notes[np.isin(song.notes["part"], kept)]
    notes["part"] = own[notes["part"]]
    controls = song.controls[number[song.controls["part"]] >= 0]
    controls["part"] = own[controls["part"]]
    names = tuple(song.parts[part] if part < len(song.parts) else "" for part in parts)
    channels = tuple(song.channels[part] for part in parts) if song.channels else ()
    return replace(song, notes=notes, controls=controls, parts=names, channels=channels)


def require_valid_notes(song: Song) -> None:
    """Check that pitches, velocities, programs, onsets, durations and parts are within MIDI's range.

    Raises:
        UserError: a value is out of range; it would wrap around silently in a file or on the grid.

    """
    notes = song.notes
    if not len(notes):
        return
    for name in ("pitch", "velocity", "program"):
        if (highest := int(notes[name].max())) > 127:
            raise UserError(f"a note's {name} is {highest}; the highest in MIDI is 127")
    for name in ("onset", "duration", "part"):
        if (lowest := int(notes[name].min())) < 0:
            raise UserError(f"a note's {name} is negative: {lowest}")
    if song.channels and (highest := int(notes["part"].max())) >= len(song.channels):
        raise UserError(f"a note's part is {highest}, but the song has {len(song.channels)} parts")


def sort_notes(notes: Table) -> Table:
    """Return notes sorted by onset, part and pitch; equal ones keep their order."""
    return notes[np.lexsort((notes["pitch"], notes["part"], notes["onset"]))]


def metre_of(length: int, ticks_per_beat: int) -> tuple[int, int] | None:
    """Return the time signature of a bar, in quarters if possible, else in the longest shorter unit that fits.

    Args:
        length: ticks of the bar.
        ticks_per_beat: ticks per quarter note.

    Returns:
        Numerator and denominator, or None if the bar is not a whole number of 64ths or has 256 beats or more.

    """
    for denominator in (4, 8, 16, 32, 64):
        numerator, rest = divmod(length * denominator, 4 * ticks_per_beat)
        if not rest and 0 < numerator < 256:
            return numerator, denominator
    return None


def velocity_of(velocity: int | None) -> int:
    """Clamp another library's velocity to MIDI's range, 1 to 127; 100 for None."""
    return DEFAULT_VELOCITY if velocity is None else min(max(int(velocity), 1), 127)


def map_of(dtype: np.dtype[Any], rows: Sequence[tuple[Any, ...]]) -> Table:
    """Make a table sorted by tick with one row per tick; of several, the last given."""
    last = {row[0]: row for row in rows}
    return table(dtype, [last[tick] for tick in sorted(last)])
