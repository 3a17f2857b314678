"""The piano-roll of one piece or phrase, in one of two encodings.

A note that began before the roll's first step sounds in its first cells without an onset. It is read back as a note
that begins with the roll.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.midi.song import (
    DEFAULT_BPM,
    DEFAULT_VELOCITY,
    NOTE,
    TIME_SIGNATURE,
    Song,
    Table,
    metre_of,
    sort_notes,
    table,
)
from bgmusic.music.rolls import formats
from bgmusic.music.rolls.checks import require_boolean, require_integer, require_resolution
from bgmusic.music.rolls.encodings import Cells, Encoding, require_encoding
from bgmusic.music.rolls.grid import StepNotes, quantise
from bgmusic.music.rolls.metre import require_bar
from bgmusic.music.rolls.note_cells import cells_to_notes, notes_to_cells
from bgmusic.music.rolls.tempo import TempoMap, cut_tempos, require_tempos, to_ticks
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.plurals import count_of

if TYPE_CHECKING:
    import muspy
    import pretty_midi
    import pypianoroll

_MOST_NAMES = 8  # tracks named by repr


@dataclass(frozen=True, eq=False, repr=False)
class Roll:
    """A piano-roll.

    Attributes:
        track_set: the tracks, and the MIDI pitch of the lowest row.
        resolution: steps per beat (quarter note).
        cells: boolean ``(tracks, bars, steps, pitches)``, True where a note sounds.
        onsets: boolean of the same shape, True where a note begins; None in the pause encoding, which marks repeated
            notes by pauses in ``cells``. A cell with an onset counts as on.
        metre: time signature, numerator and denominator, of all bars. None guesses it from the length of a bar, in
            quarters if possible; it stays None for a length that no time signature has.
        tempos: tempo map, (step, beats per minute) ascending from step 0; None if unknown.

    Raises:
        TypeError: an array is not boolean, or ``track_set``, ``resolution``, ``metre`` or ``tempos`` have another type.
        UserError: the shapes do not fit the track set or each other, ``resolution`` is out of range, a bar of ``metre``
            has another length, or ``tempos`` is no tempo map.

    """

    track_set: TrackSet
    resolution: int
    cells: Cells
    onsets: Cells | None = None
    metre: tuple[int, int] | None = None
    tempos: TempoMap | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.track_set, TrackSet):
            raise TypeError(f"track_set must be a TrackSet, such as TrackSet.load('lpd-5'), not {self.track_set!r:.60}")
        require_boolean("cells", self.cells)
        require_resolution(self.resolution)
        shape, tracks = self.cells.shape, self.track_set
        if len(shape) != 4 or (shape[0], shape[3]) != (len(tracks), tracks.pitches):
            raise UserError(
                f"a roll of track set {tracks.name!r} needs shape "
                f"({len(tracks)}, bars, steps, {tracks.pitches}), not {shape}"
            )
        if min(shape) < 1:
            raise UserError(f"a roll needs at least one bar of one step, not shape {shape}")
        if self.onsets is not None:
            require_boolean("onsets", self.onsets)
            if self.onsets.shape != shape:
                raise UserError(f"onsets of shape {self.onsets.shape} do not fit cells of shape {shape}")
        if self.metre is None:
            object.__setattr__(self, "metre", metre_of(shape[2], self.resolution))
        else:
            object.__setattr__(self, "metre", require_bar(self.metre, self.resolution, shape[2]))
        if self.tempos is not None:
            object.__setattr__(self, "tempos", require_tempos(self.tempos))

    def __repr__(self) -> str:
        names = [track.name for track in self.track_set.tracks]
        shown = ", ".join(names[:_MOST_NAMES]) + (f", ... ({len(names)} tracks)" if len(names) > _MOST_NAMES else "")
        bar = f"{self.metre[0]}/{self.metre[1]}" if self.metre else count_of(self.steps, "step")
        name = " ".join(f"{self.track_set.name}: {shown}".split())
        counts = (count_of(self.bars, "bar"), count_of(self.resolution, "step"), count_of(len(self.notes()), "note"))
        sizes = f"{counts[0]} of {bar}, {counts[1]} per beat, {counts[2]}"
        return f"Roll({name}; {sizes})"

    def _repr_html_(self) -> str:
        """Show the roll in a notebook: its picture and a player."""
        return formats.to_html(self, sounding=len(self.notes()) > 0)

    @property
    def encoding(self) -> Encoding:
        """``onset`` (lossless) or ``pause`` (the papers')."""
        return "pause" if self.onsets is None else "onset"

    @property
    def bars(self) -> int:
        """The number of bars."""
        return int(self.cells.shape[1])

    @property
    def steps(self) -> int:
        """The number of steps in a bar."""
        return int(self.cells.shape[2])

    @property
    def bpm(self) -> float:
        """The tempo at the first step, in beats (quarter notes) per minute; 120, MIDI's default, if unknown."""
        return DEFAULT_BPM if self.tempos is None else self.tempos[0][1]

    @property
    def low(self) -> int:
        """The MIDI pitch of row 0."""
        return self.track_set.low

    @staticmethod
    def from_notes(
        notes: Table,
        track_set: TrackSet,
        resolution: int,
        bars: int,
        steps: int,
        encoding: Encoding = "onset",
    ) -> Roll:
        """Make a roll of notes in steps.

        Notes may begin before the roll (negative onsets) and end after it. What lies outside is left out, in time as
        in pitch.

        Args:
            notes: dtype ``STEP_NOTE``, onsets counted from the roll's first step. Notes of one pitch in one track must
                not overlap (see ``steps.without_overlaps``). Drum hits become one step long.
            track_set: the tracks.
            resolution: steps per beat.
            bars: number of bars.
            steps: steps of a bar.
            encoding: ``onset`` or ``pause``.

        Raises:
            TypeError: ``notes`` has another dtype.
            UserError: the roll is empty or has more than 2^27 cells, a note has no such track or no length, or notes
                overlap.

        """
        cells, onsets = notes_to_cells(notes, track_set, bars, steps, encoding)
        return Roll(track_set, resolution, cells, onsets)

    @staticmethod
    def from_phrase(
        piece: StepNotes, first_bar: int = 0, bars: int | None = None, encoding: Encoding = "onset"
    ) -> Roll:
        """Make a roll of some bars of a quantized piece, with their metre (the most frequent) and tempos.

        Args:
            piece: the piece, from ``quantise``.
            first_bar: the first bar, from 0.
            bars: the number of bars; None for all that follow.
            encoding: ``onset`` or ``pause``.

        Raises:
            TypeError: ``first_bar`` or ``bars`` is not an integer.
            UserError: the piece has no such bars, they differ in length, or they have more than 2^27 cells.

        """
        require_integer("first_bar", first_bar)
        if bars is None:
            bars = piece.bars - first_bar
        require_integer("bars", bars)
        if bars < 1:
            raise UserError(f"bars {bars}: a roll needs at least one bar")
        named = f"bars {first_bar} to {first_bar + bars - 1}"
        starts = piece.bar_starts[first_bar : first_bar + bars + 1]
        if first_bar < 0 or len(starts) <= bars:
            raise UserError(f"{named} are not all within the piece's {count_of(piece.bars, 'bar')}")
        lengths = np.unique(np.diff(starts))
        if len(lengths) != 1:
            raise UserError(f"{named} differ in length: a roll needs bars of one length")
        steps = int(lengths[0])
        onset = piece.notes["onset"]
        near = (onset < starts[-1]) & (onset + piece.notes["duration"] > starts[0])
        notes = piece.notes[near].copy()
        notes["onset"] -= starts[0]
        roll = Roll.from_notes(notes, piece.track_set, piece.resolution, bars, steps, encoding)
        metre = piece.metre_of_bars(first_bar, bars)
        return replace(roll, metre=metre, tempos=cut_tempos(piece.tempos, int(starts[0]), int(starts[-1])))

    @staticmethod
    def from_song(song: Song, track_set: TrackSet, resolution: int, encoding: Encoding = "onset") -> Roll:
        """Quantize a song and make a roll of all its bars; see ``quantise``.

        Raises:
            UserError: the song has no notes for these tracks, or bars of different lengths.

        """
        piece = quantise(song, track_set, resolution)
        if not piece.bars:
            raise UserError(f"the song has no notes for the tracks of {track_set.name!r}")
        return Roll.from_phrase(piece, encoding=encoding)

    @staticmethod
    def from_pretty_midi(midi: pretty_midi.PrettyMIDI, track_set: TrackSet, resolution: int) -> Roll:
        """Make a roll of a pretty_midi ``PrettyMIDI``; see ``from_song``."""
        return Roll.from_song(formats.resolve(formats.FROM_PRETTY_MIDI)(midi), track_set, resolution)

    @staticmethod
    def from_muspy(music: muspy.Music, track_set: TrackSet, resolution: int) -> Roll:
        """Make a roll of a muspy ``Music``; see ``from_song``."""
        return Roll.from_song(formats.resolve(formats.FROM_MUSPY)(music), track_set, resolution)

    @staticmethod
    def from_pypianoroll(multitrack: pypianoroll.Multitrack, track_set: TrackSet, resolution: int) -> Roll:
        """Make a roll of a pypianoroll ``Multitrack``; see ``from_song``."""
        return Roll.from_song(formats.resolve(formats.FROM_PYPIANOROLL)(multitrack), track_set, resolution)

    def notes(self) -> Table:
        """Return the notes (dtype ``STEP_NOTE``), sorted by onset, track and pitch."""
        return cells_to_notes(self.cells, self.onsets, self.track_set)

    def channels(self) -> Cells:
        """Stack cells and onsets along the track axis, as networks take them.

        Returns:
            Boolean ``(tracks, bars, steps, pitches)``, or ``(2 * tracks, ...)`` in the lossless encoding.

        """
        return self.cells if self.onsets is None else np.concatenate([self.cells, self.onsets])

    @staticmethod
    def from_channels(
        channels: Cells,
        track_set: TrackSet,
        resolution: int,
        encoding: Encoding,
        metre: tuple[int, int] | None = None,
        tempos: TempoMap | None = None,
    ) -> Roll:
        """Make a roll of stacked cells and onsets: the inverse of ``channels``.

        Raises:
            TypeError: ``channels`` is not boolean.
            UserError: the shape does not fit the track set and encoding.

        """
        require_encoding(encoding)
        if encoding == "pause":
            return Roll(track_set, resolution, channels, None, metre, tempos)
        return Roll(track_set, resolution, channels[: len(track_set)], channels[len(track_set) :], metre, tempos)

    def encoded(self, encoding: Encoding) -> Roll:
        """Convert the roll to ``encoding``; ``pause`` loses some repeated notes (see ``encoding_loss``)."""
        if encoding == self.encoding:
            return self
        other = Roll.from_notes(self.notes(), self.track_set, self.resolution, self.bars, self.steps, encoding)
        return replace(other, metre=self.metre, tempos=self.tempos)

    def at_tempo(self, bpm: float | None) -> Roll:
        """Return the roll at a constant tempo; None keeps its own.

        Raises:
            UserError: the tempo is out of range.

        """
        return self if bpm is None else replace(self, tempos=((0, bpm),))

    def to_song(self, bpm: float | None = None) -> Song:
        """Convert to a song with one part per track and one tick per step.

        Args:
            bpm: tempo in beats per minute; by default the roll's own tempos, or 120 if they are unknown.

        """
        notes, tracks = self.notes(), self.track_set.tracks
        out = np.empty(len(notes), dtype=NOTE)
        for name in ("onset", "duration", "pitch"):
            out[name] = notes[name]
        out["velocity"], out["part"] = DEFAULT_VELOCITY, notes["track"]
        out["program"] = np.array([track.program for track in tracks], dtype=np.uint8)[notes["track"]]
        out["is_drum"] = self.track_set.drums[notes["track"]]
        tempos = self.at_tempo(bpm).tempos or ((0, DEFAULT_BPM),)
        return Song(
            ticks_per_beat=self.resolution,
            notes=sort_notes(out),
            tempos=to_ticks(tempos),
            time_signatures=table(TIME_SIGNATURE, [(0, *self.metre)] if self.metre else []),
            parts=tuple(track.name for track in tracks),
            end=self.bars * self.steps,
        )

    def to_pretty_midi(self, bpm: float | None = None) -> pretty_midi.PrettyMIDI:
        """Convert to a pretty_midi ``PrettyMIDI``."""
        midi: pretty_midi.PrettyMIDI = formats.resolve(formats.TO_PRETTY_MIDI)(self.to_song(bpm))
        return midi

    def to_muspy(self, bpm: float | None = None) -> muspy.Music:
        """Convert to a muspy ``Music``."""
        music: muspy.Music = formats.resolve(formats.TO_MUSPY)(self.to_song(bpm))
        return music

    def to_pypianoroll(self, bpm: float | None = None) -> pypianoroll.Multitrack:
        """Convert to a pypianoroll ``Multitrack``."""
        multitrack: pypianoroll.Multitrack = formats.resolve(formats.TO_PYPIANOROLL)(self, bpm)
        return multitrack

    def save(self, path: str | Path, **options: Any) -> None:
        """Write the roll in the format of the path's suffix, atomically.

        Args:
            path: ``.mid`` or ``.midi`` (MIDI file), ``.png`` (picture), ``.wav``, ``.flac``, ``.ogg`` or ``.mp3``
                (sound), ``.npz`` (arrays, see ``phrase_files``), ``.musicxml`` (score) or ``.svg`` (picture of the
                score).
            options: ``bpm=90`` sets the tempo of MIDI, sound and scores; by default it is the roll's own. Further
                options of the format's writer: ``midi_files.save_roll``, ``pictures.sheet.save_roll``,
                ``sound.files.save_roll``, ``phrase_files.save_roll``, ``score.musicxml.save_roll``,
                ``score.engraving.save_roll``.

        Raises:
            UserError: the suffix is unknown, or the roll does not fit the format.
            OSError: the file cannot be written.

        """
        formats.save(self, path, **options)
