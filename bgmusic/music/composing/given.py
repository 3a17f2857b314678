"""Read the given track of a MIDI file: the one that an accompaniment is composed to.

The network sees the track on its grid, in the bars that have the length of its own bars. All notes, controllers and
bends of the track are kept, for the file that is written (:mod:`bgmusic.music.composing.write_back`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.composing.pieces import MAX_BARS
from bgmusic.music.midi.read import MidiError, read_midi
from bgmusic.music.midi.song import Song, Table, select_parts
from bgmusic.music.rolls.collecting import tracks_of
from bgmusic.music.rolls.grid import Losses, quantise
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tempo import TempoMap, cut_tempos, tempo_map
from bgmusic.music.rolls.tracks import Track, TrackSet
from bgmusic.plurals import count_of


@dataclass(frozen=True, eq=False)
class Given:
    """One track of a file, to be accompanied.

    Attributes:
        song: the file with the notes of the given track alone, and the controllers and pitch bends of its channels.
        shape: shape of the network's rolls.
        track: number of the given track in the track set.
        notes: its notes on the grid (dtype ``STEP_NOTE``, in steps from the file's first tick).
        stretches: unbroken runs of bars that fit: first step and number of bars of each.
        remarks: lines of information for the user about the track.
        metres: metre of each stretch, or None where no metre has bars of this length; empty guesses them.

    """

    song: Song
    shape: RollShape
    track: int
    notes: Table
    stretches: tuple[tuple[int, int], ...]
    remarks: tuple[str, ...]
    metres: tuple[tuple[int, int] | None, ...] = ()

    @property
    def bars(self) -> int:
        """Number of bars that fit, in all stretches."""
        return sum(bars for _, bars in self.stretches)

    def tempos(self) -> list[TempoMap]:
        """Return the tempo map of each stretch."""
        tempos = tempo_map(self.song, self.shape.resolution)
        return [cut_tempos(tempos, start, start + bars * self.shape.steps) for start, bars in self.stretches]

    def channels(self) -> list[Tensor]:
        """Return booleans ``(channels, bars, steps, pitches)`` of each stretch; the other tracks are silent."""
        return [torch.from_numpy(self._roll(start, bars).channels()) for start, bars in self.stretches]

    def _roll(self, start: int, bars: int) -> Roll:
        shape, notes = self.shape, self.notes.copy()
        notes["onset"] -= start
        near = (notes["onset"] < bars * shape.steps) & (notes["onset"] + notes["duration"] > 0)
        return Roll.from_notes(notes[near], shape.track_set, shape.resolution, bars, shape.steps, shape.encoding)


def track_number(name: str, track_set: TrackSet) -> int:
    """Find a track by its name, by one of its parts' names (ignoring case), or by its number (from 0).

    Raises:
        UserError: there is no such track; the message lists the tracks.

    """
    wanted = name.strip().lower()
    for number, track in enumerate(track_set.tracks):
        if wanted == track.name.lower():
            return number
    for number, track in enumerate(track_set.tracks):
        if wanted in map(str.lower, track.parts):
            return number
    if wanted.isdecimal() and len(wanted) < 4 and int(wanted) < len(track_set):
        return int(wanted)
    known = ", ".join(f"{track.name} ({number})" for number, track in enumerate(track_set.tracks))
    raise UserError(f"no track {name!r}; tracks of {track_set.name}: {known}")


def read_given(path: str | Path, shape: RollShape, track: int) -> Given:
    """Read track ``track`` of a MIDI file, selected by the track set's own rule.

    In a file without such a track that has one sounding part, that part is the given track.

    Raises:
        UserError: the file is no MIDI file, has no such track, or no bar of the network's length.
        OSError: it can't be read.

    """
    try:
        song = read_midi(path, controls=True)
    except MidiError as error:
        raise MidiError(f"{path}: no MIDI file with notes: {error}") from None
    try:
        return extract_given(song, shape, track)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def extract_given(song: Song, shape: RollShape, track: int) -> Given:
    """Extract track ``track`` of a song, as :func:`read_given` does of a file.

    Raises:
        UserError: the song has no such track, or no bar of the network's length.

    """
    one = shape.track_set.tracks[track]
    own = _notes_of(song, shape.track_set, track)
    sounding, part = np.unique(own["part"], return_inverse=True)
    on_grid = own.copy()
    on_grid["part"] = 0
    alone = TrackSet(one.name, (replace(one, programs=()),), shape.track_set.low, shape.track_set.pitches, by="part")
    piece = quantise(replace(song, notes=on_grid, parts=(one.name,), channels=()), alone, shape.resolution)
    if not piece.losses.kept:
        raise UserError(f"no note of {one.name} lies within its pitches {one.low} to {one.high}")
    stretches, metres, others = _stretches(song, shape)
    bars = sum(length for _, length in stretches)
    if not bars:
        raise UserError(f"no complete bar of {_beats(shape)} beats; this composer writes no other bars")
    if bars > MAX_BARS:
        raise UserError(f"{bars:,} bars, at most {MAX_BARS:,} can be accompanied")
    own = own.copy()
    own["part"] = part
    notes = piece.notes.copy()
    notes["track"] = track
    remarks = _remarks(song, piece.losses, one, shape, others)
    names = [song.parts[number] for number in sounding]
    parts = np.unique(song.notes["part"])
    if (
        shape.track_set.by == "part"
        and len(parts) > 1
        and not any(track in of for of in shape.track_set.match_names(names))
    ):
        remarks = (f"no part is named {one.name}: {names[0] or '(no name)'} is taken, by its place", *remarks)
    kept = replace(select_parts(song, sounding.tolist()), notes=own)
    return Given(kept, shape, track, notes, stretches, remarks, metres)


def _beats(shape: RollShape) -> str:
    return f"{shape.steps / shape.resolution:g}"


def _notes_of(song: Song, track_set: TrackSet, track: int) -> Table:
    """Return the notes of a track, unchanged."""
    one, names = track_set.tracks[track], song.parts
    sounding = np.unique(song.notes["part"]).tolist()
    if track_set.by != "part":
        chosen = tracks_of(song, track_set) == track
    else:
        named = [track in found for found in track_set.match_names([names[part] for part in sounding])]
        chosen = np.isin(song.notes["part"], np.array(sounding)[named])
        if not chosen.any() and len(sounding) == len(track_set):  # unnamed parts go by their order
            chosen = song.notes["part"] == sounding[track_set.assign_parts([names[i] for i in sounding]).index(track)]
    notes: Table = song.notes[chosen]
    if len(notes):
        return notes
    if len(sounding) > 1:
        heard = ", ".join(dict.fromkeys(names[part] or "(no name)" for part in sounding))
        if {"part", "name"} & set(track_set.rules):
            how = f"rename the right one to {one.name}"
        else:
            how = "put the right one on " + ("channel 10" if one.is_drum else f"a program of {one.name}")
        raise UserError(
            f"there is no track {one.name} among its {len(sounding)} parts: {heard} ({how}, or give a file with that "
            "part alone)"
        )
    if bool(song.notes["is_drum"].any()) != one.is_drum:
        raise UserError(f"there is no track {one.name}: its only part is {'pitched' if one.is_drum else 'drums'}")
    return song.notes


def _stretches(
    song: Song, shape: RollShape
) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int] | None, ...], int]:
    """Find unbroken runs of full bars of the shape's length.

    Returns:
        First step and number of bars of each run; the most frequent metre of each; and the number of other bars.

    """
    everything = song.notes.copy()
    everything["part"], everything["is_drum"] = 0, False
    anything = TrackSet("all", (Track("all", 0),), low=0, pitches=128, by="part")
    piece = quantise(replace(song, notes=everything, parts=("all",), channels=()), anything, shape.resolution)
    fits = piece.full & (np.diff(piece.bar_starts) == shape.steps)
    edges: NDArray[np.intp] = np.flatnonzero(np.diff(np.concatenate([[False], fits, [False]]).astype(np.int8)))
    bars = [(int(start), int(stop - start)) for start, stop in edges.reshape(-1, 2)]
    runs = tuple((int(piece.bar_starts[first]), count) for first, count in bars)
    return runs, tuple(piece.metre_of_bars(first, count) for first, count in bars), int((~fits).sum())


def _remarks(song: Song, losses: Losses, track: Track, shape: RollShape, others: int) -> tuple[str, ...]:
    lines = [f"repaired: {repair}" for repair in song.repairs]
    if losses.out_of_range:
        where = f"pitches {track.low} to {track.high}"
        outside = count_of(losses.out_of_range, "note")
        lines.append(f"{outside} of {track.name} outside {where}: kept, but the network ignores them")
    if losses.moved:
        moved = count_of(losses.moved, "note")
        lines.append(f"{moved} of {track.name} off the grid: kept; the network sees the nearest step")
    if others:
        bars = "1 bar is not a full bar" if others == 1 else f"{others} bars are not full bars"
        lines.append(f"{bars} of {_beats(shape)} beats: {track.name} plays alone there")
    return tuple(lines)
