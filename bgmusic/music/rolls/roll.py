"""Rolls: sustained cells and, in the lossless encoding, onsets.

Two encodings tell a held note from repeated ones:

- ``pause`` (the papers'): where a note of the same pitch follows at once, the earlier loses its last step.
  A note of one step has none to lose, and is fused with the next. Drums need no pause: each of their cells
  is a hit.
- ``onset`` (lossless): cells are sustained for the whole length of a note, and a second array says where
  one begins.

A note that began before the roll's first step sounds in its first cells without an onset, and is read back
as a note that begins with the roll.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import (
    DEFAULT_BPM,
    DEFAULT_VELOCITY,
    NOTE,
    TEMPO,
    TIME_SIGNATURE,
    Song,
    Table,
    metre_of,
    sort_notes,
    table,
)
from bgmusic.music.rolls.grid import STEP_NOTE, StepNotes
from bgmusic.music.rolls.tracks import TrackSet

Encoding = Literal["pause", "onset"]
ENCODINGS: tuple[Encoding, ...] = ("pause", "onset")
Cells = NDArray[np.bool_]

MAX_CELLS = 1 << 27  # 128 MiB of booleans: no piece that is a piece needs more


@dataclass(frozen=True, eq=False)
class Roll:
    """A piano-roll: boolean ``cells`` (tracks, bars, steps, pitches), a step being 1/``resolution`` beat.

    ``onsets`` has the same shape in the lossless encoding, and is None in the papers'. Row 0 of the pitches
    is MIDI pitch ``low``. A cell with an onset counts as on.

    Raises:
        UserError: the shapes don't fit the track set or each other.

    """

    track_set: TrackSet
    resolution: int
    cells: Cells
    onsets: Cells | None = None

    def __post_init__(self) -> None:
        shape = self.cells.shape
        if len(shape) != 4 or (shape[0], shape[3]) != (len(self.track_set), self.track_set.pitches):
            raise UserError(
                f"a roll of {self.track_set.name!r} is ({len(self.track_set)}, bars, steps, "
                f"{self.track_set.pitches}), not {shape}"
            )
        if self.onsets is not None and self.onsets.shape != shape:
            raise UserError(f"onsets of shape {self.onsets.shape} don't fit cells of shape {shape}")

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
        """The steps of a bar."""
        return int(self.cells.shape[2])

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
        """A roll of notes (dtype ``STEP_NOTE``, onsets counted from the roll's first step).

        Notes may begin before the roll (negative onsets) and end after it; what lies outside is left out,
        in time as in pitch. Notes of one pitch in one track must not overlap (``without_overlaps`` sees to
        that).

        Raises:
            UserError: the roll would have more than 2^27 cells, or a note names a track that is not there.

        """
        length, tracks, pitches = bars * steps, len(track_set), track_set.pitches
        if min(bars, steps) < 1 or length * tracks * pitches > MAX_CELLS:
            raise UserError(f"a roll of {bars} bars of {steps} steps is not within 1 and {MAX_CELLS} cells")
        if len(notes) and int(notes["track"].max()) >= tracks:
            raise UserError(f"a note is in track {int(notes['track'].max())} of {tracks}")
        onset, row = notes["onset"], notes["pitch"].astype(np.int64) - track_set.low
        stop = pause_stops(notes, track_set) if encoding == "pause" else onset + notes["duration"]
        seen = (stop > 0) & (onset < length) & (row >= 0) & (row < pitches)
        track, row = notes["track"][seen].astype(np.int64), row[seen]
        onset, stop = onset[seen], stop[seen]

        # Flat, with time before pitch: the cells of a note are `pitches` apart.
        begin, until = np.maximum(onset, 0), np.minimum(stop, length)
        base = (track * length + begin) * pitches + row
        count = until - begin
        within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        cells = np.zeros(tracks * length * pitches, dtype=np.bool_)
        cells[np.repeat(base, count) + within * pitches] = True
        shape = (tracks, bars, steps, pitches)
        if encoding == "pause":
            return Roll(track_set, resolution, cells.reshape(shape))
        onsets = np.zeros_like(cells)
        onsets[base[onset >= 0]] = True
        return Roll(track_set, resolution, cells.reshape(shape), onsets.reshape(shape))

    @staticmethod
    def from_phrase(
        piece: StepNotes, first_bar: int = 0, bars: int | None = None, encoding: Encoding = "onset"
    ) -> Roll:
        """The roll of ``bars`` bars (None: all) of a piece from ``first_bar`` on, bars of equal length.

        Raises:
            UserError: there are no such bars, they differ in length, or they would have more than 2^27
            cells.

        """
        bars = piece.bars - first_bar if bars is None else bars
        named = f"bars {first_bar} to {first_bar + bars - 1}"
        starts = piece.bar_starts[first_bar : first_bar + bars + 1]
        if first_bar < 0 or bars < 1 or len(starts) <= bars:
            raise UserError(f"{named} are not all of the piece's {piece.bars}")
        lengths = np.unique(np.diff(starts))
        if len(lengths) != 1:
            raise UserError(f"{named} differ in length")
        onset = piece.notes["onset"]
        near = (onset < starts[-1]) & (onset + piece.notes["duration"] > starts[0])
        notes = piece.notes[near].copy()
        notes["onset"] -= starts[0]
        return Roll.from_notes(notes, piece.track_set, piece.resolution, bars, int(lengths[0]), encoding)

    def notes(self) -> Table:
        """The notes (dtype ``STEP_NOTE``), sorted by onset, track and pitch."""
        tracks, bars, steps, pitches = self.cells.shape
        length = bars * steps
        on = self.cells if self.onsets is None else self.cells | self.onsets
        on = np.ascontiguousarray(on.reshape(tracks, length, pitches).transpose(0, 2, 1))
        begins = on.copy()
        begins[:, :, 1:] &= ~on[:, :, :-1]
        if self.onsets is not None:
            begins |= self.onsets.reshape(tracks, length, pitches).transpose(0, 2, 1)
        else:
            is_drum = [track.is_drum for track in self.track_set.tracks]
            begins[is_drum] = on[is_drum]
        ends = on.copy()
        ends[:, :, :-1] &= ~on[:, :, 1:] | begins[:, :, 1:]

        track, row, onset = np.nonzero(begins)
        _, _, last = np.nonzero(ends)
        notes = np.empty(len(track), dtype=STEP_NOTE)
        notes["track"], notes["onset"], notes["pitch"] = track, onset, row + self.low
        notes["duration"] = last - onset + 1
        drums = np.array([t.is_drum for t in self.track_set.tracks], dtype=np.bool_)
        notes["duration"][drums[track]] = 1
        return notes[np.lexsort((notes["pitch"], notes["track"], notes["onset"]))]

    def channels(self) -> Cells:
        """The roll as a network sees it: cells, then (lossless encoding) onsets, stacked along the tracks.

        Shape (tracks, bars, steps, pitches), or (2 * tracks, ...) in the lossless encoding.
        """
        return self.cells if self.onsets is None else np.concatenate([self.cells, self.onsets])

    @staticmethod
    def from_channels(channels: Cells, track_set: TrackSet, resolution: int, encoding: Encoding) -> Roll:
        """The inverse of ``channels``.

        Raises:
            UserError: the shape doesn't fit the track set and encoding.

        """
        if encoding == "pause":
            return Roll(track_set, resolution, channels)
        return Roll(track_set, resolution, channels[: len(track_set)], channels[len(track_set) :])

    def encoded(self, encoding: Encoding) -> Roll:
        """The roll's notes in the other encoding (or the roll itself)."""
        if encoding == self.encoding:
            return self
        return Roll.from_notes(self.notes(), self.track_set, self.resolution, self.bars, self.steps, encoding)

    def to_song(self, bpm: float = DEFAULT_BPM) -> Song:
        """The roll as a song with one part a track and a tick a step."""
        return song_of_steps(self.notes(), self.track_set, self.resolution, self.bars, self.steps, bpm)


def song_of_steps(
    notes: Table, track_set: TrackSet, resolution: int, bars: int, steps: int, bpm: float = DEFAULT_BPM
) -> Song:
    """Notes in steps (dtype ``STEP_NOTE``) as a song with one part a track and a tick a step."""
    out = np.empty(len(notes), dtype=NOTE)
    for name in ("onset", "duration", "pitch"):
        out[name] = notes[name]
    out["velocity"], out["part"] = DEFAULT_VELOCITY, notes["track"]
    out["program"] = np.array([t.program for t in track_set.tracks], dtype=np.uint8)[notes["track"]]
    out["is_drum"] = np.array([t.is_drum for t in track_set.tracks], dtype=np.bool_)[notes["track"]]
    metre = metre_of(steps, resolution)
    return Song(
        ticks_per_beat=resolution,
        notes=sort_notes(out),
        tempos=table(TEMPO, [(0, bpm)]),
        time_signatures=table(TIME_SIGNATURE, [(0, *metre)] if metre else []),
        parts=tuple(track.name for track in track_set.tracks),
        end=bars * steps,
    )


def _repeats(notes: Table, track_set: TrackSet) -> NDArray[np.bool_]:
    """Which notes are followed at once by one of their pitch and track (drums aside), in the order given."""
    key = notes["track"].astype(np.int64) * 128 + notes["pitch"]
    onset = notes["onset"] - notes["onset"].min(initial=0)
    place = key * (int(onset.max(initial=0)) + 1) + onset  # one number sorts faster than three columns
    order = np.argsort(place)
    key, onset, stop = key[order], onset[order], (onset + notes["duration"])[order]
    followed = (key[1:] == key[:-1]) & (onset[1:] == stop[:-1])
    is_drum = np.array([track.is_drum for track in track_set.tracks], dtype=np.bool_)
    result = np.zeros(len(notes), dtype=np.bool_)
    result[order[:-1]] = followed & ~is_drum[key[:-1] >> 7]
    return result


def pause_stops(notes: Table, track_set: TrackSet) -> NDArray[np.int64]:
    """Where the notes (dtype ``STEP_NOTE``) end in the papers' encoding, in steps."""
    shortened = _repeats(notes, track_set) & (notes["duration"] > 1)
    stops: NDArray[np.int64] = notes["onset"] + notes["duration"] - shortened
    return stops


@dataclass(frozen=True)
class EncodingLoss:
    """What an encoding loses of ``notes`` notes: ``fused`` with the one before, or ``shortened`` by one step.

    ``lost`` is the share of notes that don't come back exactly (0 to 1).
    """

    notes: int
    fused: int
    shortened: int

    @property
    def lost(self) -> float:
        """The share of notes that don't come back exactly."""
        return (self.fused + self.shortened) / self.notes if self.notes else 0.0


def encoding_loss(notes: Table, track_set: TrackSet, encoding: Encoding) -> EncodingLoss:
    """What ``encoding`` loses of notes (dtype ``STEP_NOTE``) that do not overlap."""
    if encoding == "onset":
        return EncodingLoss(len(notes), 0, 0)
    is_drum = np.array([track.is_drum for track in track_set.tracks], dtype=np.bool_)
    track = notes["track"].astype(np.int64)
    onset = notes["onset"] - notes["onset"].min(initial=0)
    stop = onset + notes["duration"]
    # Notes that don't overlap end in the order in which they begin: sorted apart, beginnings and ends are still pairs.
    key = (track << 7 | notes["pitch"]) * (int(stop.max(initial=0)) + 1)
    pitched = np.flatnonzero(~is_drum[track])
    begins, ends = np.sort((key + onset).take(pitched)), np.sort((key + stop).take(pitched))
    followed = begins[1:] == ends[:-1]
    fused = int(np.count_nonzero(followed & (ends[:-1] - begins[:-1] == 1)))
    return EncodingLoss(len(notes), fused, int(np.count_nonzero(followed)) - fused)
