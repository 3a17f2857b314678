"""MIDI files of which a part is composed anew; all else stays exactly as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.composing.write_back import in_ticks, scale_of, scaled, ticks_of
from bgmusic.music.midi.read import MidiError
from bgmusic.music.midi.song import DEFAULT_VELOCITY, PERCUSSION, TEMPO, Song, Table, sort_notes, table
from bgmusic.music.rolls.collecting import in_annotations, tracks_of
from bgmusic.music.rolls.reading import BarsOfFile, read_midi_bars
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.steps import to_steps

Units = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class KeptPiece:
    """A file of which a part is kept.

    Attributes:
        song: the whole file, with its controllers and bends.
        roll: its longest run of bars of the composer's length, on the composer's tracks and grid.
        first: the run's first bar in the file, from 0.
        start: the step at which it begins.
        more: whether the file has bars behind the run.
        tracks: track of each of the song's notes, int64 ``(notes,)``; the number of tracks for notes that have none.
        moved: number of the song's notes off the grid, of those that tracks collect.

    """

    song: Song
    roll: Roll
    first: int
    start: int
    more: bool
    tracks: NDArray[np.int64]
    moved: int

    @property
    def unheard(self) -> int:
        """Number of the song's notes that are not on the roll."""
        return len(self.song.notes) - len(self.roll.notes())

    def parts_of(self, track: int) -> list[str]:
        """Return the names of the parts that play a track, the one with most notes first."""
        counts = np.bincount(self.song.notes["part"][self.tracks == track])
        return [self.song.parts[part] or "(no name)" for part in np.argsort(-counts, kind="stable") if counts[part]]


def read_kept(path: str | Path, shape: RollShape) -> KeptPiece:
    """Read a MIDI file for a composer whose phrases have ``shape``.

    Raises:
        UserError: it is no MIDI file, its parts do not fit the tracks, or its bars have another length.
        OSError: the file can't be read.

    """
    found, by = _bars(path, shape)
    if found.roll.steps != shape.steps:
        beats, own = (f"{steps / shape.resolution:g}" for steps in (found.roll.steps, shape.steps))
        raise UserError(f"{path}: its bars have {beats} beats; this composer writes bars of {own}")
    song, rule = found.song, replace(shape.track_set, by=by)
    music = ~in_annotations(song, rule)
    tracks = np.full(len(song.notes), len(rule), np.int64)
    tracks[music] = tracks_of(replace(song, notes=song.notes[music]), rule)
    roll = replace(found.roll, track_set=shape.track_set)
    more = found.first + roll.bars < found.piece.bars
    return KeptPiece(song, roll, found.first, found.start, more, tracks, found.piece.losses.moved)


def _bars(path: str | Path, shape: RollShape) -> tuple[BarsOfFile, str | tuple[str, ...]]:
    """Read the longest run of equal bars; return also how the parts were assigned to tracks."""
    tracks = shape.track_set
    try:
        return read_midi_bars(path, tracks, shape.resolution), tracks.by
    except UserError as error:
        if tracks.by != "part" or isinstance(error, MidiError):
            raise
        # Fewer parts than tracks, such as a part of a piece: their names say which they are.
        try:
            return read_midi_bars(path, replace(tracks, by="name"), shape.resolution), "name"
        except UserError as error:
            names = ", ".join(track.name for track in tracks.tracks)
            raise UserError(
                f"{path}: this composer needs {len(tracks)} parts, or parts named {names}, within their ranges: "
                f"{str(error).removeprefix(f'{path}: ')}"
            ) from None


def with_free_units(kept: KeptPiece, shape: RollShape, free: Units, roll: Roll, bpm: float | None = None) -> Song:
    """Return the file's song with the notes of a roll in free units.

    Of the tracks' notes, those that begin in a free unit (on the grid) go, and those that sound into one end there. All
    others, those of other instruments, controllers, bends, tempos and metres stay as they are. New notes are played
    by the part that plays the track in the file, with its median velocity; by a part of their own if there is none.

    Args:
        kept: the file.
        shape: shape of the composer's phrases.
        free: boolean ``(tracks, bars * beats)``, from the first bar of ``kept.roll``.
        roll: the composed piece; only its notes in free units are taken.
        bpm: replaces the tempos of the file.

    """
    factor = scale_of(kept.song.ticks_per_beat, shape.resolution)
    song = scaled(kept.song, factor)
    staying = _staying(kept, song, shape, free)
    new, song = _new_notes(kept, song, shape, free, roll)
    notes = sort_notes(np.concatenate([staying, _apart(new, staying)]))
    end = int((notes["onset"] + notes["duration"]).max(initial=song.end))
    tempos = song.tempos if bpm is None else table(TEMPO, [(0, bpm)])
    return replace(song, notes=notes, tempos=tempos, end=end, repairs=())


def _staying(kept: KeptPiece, song: Song, shape: RollShape, free: Units) -> Table:
    """Return the notes of the file that stay, cut where they sound into a free unit."""
    tracks, units = free.shape
    padded = np.zeros((tracks + 1, units + 1), np.bool_)  # a row for notes without a track
    padded[:tracks, :units] = free
    # From each unit, the next free one; ``units + 1`` if there is none.
    after = np.where(padded, np.arange(units + 1), units + 1)
    after = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
    steps = to_steps(kept.song.notes["onset"], kept.song.ticks_per_beat, shape.resolution) - kept.start
    unit = np.minimum(steps // shape.unit, units)
    gone = (unit >= 0) & padded[kept.tracks, np.maximum(unit, 0)]
    following = after[kept.tracks, np.maximum(unit, 0)]
    notes: Table = song.notes.copy()
    limit = ticks_of(kept.start + following * shape.unit, song.ticks_per_beat, shape.resolution)
    stop = notes["onset"] + notes["duration"]
    stop = np.where(following <= units, np.minimum(stop, limit), stop)
    notes["duration"] = np.maximum(stop - notes["onset"], 1)
    return notes[~gone]


def _new_notes(kept: KeptPiece, song: Song, shape: RollShape, free: Units, roll: Roll) -> tuple[Table, Song]:
    """Return the roll's notes in free units, and the song with the parts that they need."""
    steps = roll.notes()
    steps = steps[free[steps["track"], steps["onset"] // shape.unit]]
    steps["onset"] += kept.start
    parts, channels, made = list(song.parts), list(song.channels), []
    unused = (channel for channel in count(1) if channel not in channels and channel != PERCUSSION)
    for number, track in enumerate(shape.track_set.tracks):
        own = steps[steps["track"] == number]
        if not len(own):
            continue
        notes = in_ticks(own, song.ticks_per_beat, shape.resolution, track)
        played = song.notes[kept.tracks == number]
        if len(played):
            part = int(np.bincount(played["part"]).argmax())
            played = played[played["part"] == part]
            notes["program"] = np.bincount(played["program"]).argmax()
        else:
            part, played = len(parts), song.notes
            parts.append(track.name)
            if song.channels:
                channels.append(PERCUSSION if track.is_drum else next(unused))
        notes["part"] = part
        notes["velocity"] = int(np.median(played["velocity"])) if len(played) else DEFAULT_VELOCITY
        made.append(notes)
    new = np.concatenate([song.notes[:0], *made])
    return new, replace(song, notes=song.notes[:0], parts=tuple(parts), channels=tuple(channels))


def _apart(new: Table, staying: Table) -> Table:
    """Return new notes that end where one of their pitch and part that stays begins, a little before the grid."""
    keys, own = (notes["part"].astype(np.int64) * 128 + notes["pitch"] for notes in (staying, new))
    order = np.lexsort((staying["onset"], keys))
    lines = keys[order] * (1 << 41) + staying["onset"][order]
    place = np.searchsorted(lines, own * (1 << 41) + new["onset"], side="right")
    inside = place < len(lines)
    inside[inside] = keys[order][place[inside]] == own[inside]
    begin = np.full(len(new), np.iinfo(np.int64).max)
    begin[inside] = staying["onset"][order][place[inside]]
    apart: Table = new.copy()
    apart["duration"] = np.minimum(new["duration"], begin - new["onset"])
    return apart
