"""The given track of a MIDI file: what an accompaniment is composed to, and the file that it goes back into.

A network sees the track on its grid, in the bars that have the length of its own. In what is written, the given track
is as it was, in bars that the network can't use too: every note at its own tick, with its velocity and program, every
controller and every bend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.composing.pieces import MAX_BARS
from bgmusic.music.midi.read import MidiError, read_midi
from bgmusic.music.midi.song import NOTE, Song, Table, sort_notes
from bgmusic.music.rolls.grid import Losses, quantise
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import Track, TrackSet

_MAX_TICKS = 0x7FFF  # a beat, in a MIDI file


@dataclass(frozen=True, eq=False)
class Given:
    """One track of a file, given to be accompanied.

    Attributes:
        song: the file, its notes, controllers and pitch bends those of the given track alone.
        shape: of the network's rolls.
        track: the given track's number in the track set.
        notes: its notes on the grid (dtype ``STEP_NOTE``, in steps from the file's first tick).
        stretches: unbroken runs of bars that fit: first step and number of bars of each.
        remarks: what the user should know about the track, a line each.

    """

    song: Song
    shape: RollShape
    track: int
    notes: Table
    stretches: tuple[tuple[int, int], ...]
    remarks: tuple[str, ...]

    @property
    def bars(self) -> int:
        """Bars that fit, of all stretches."""
        return sum(bars for _, bars in self.stretches)

    def channels(self) -> list[Tensor]:
        """What a network sees: of each stretch booleans ``(channels, bars, steps, pitches)``, other tracks silent."""
        return [torch.from_numpy(self._roll(start, bars).channels()) for start, bars in self.stretches]

    def _roll(self, start: int, bars: int) -> Roll:
        shape, notes = self.shape, self.notes.copy()
        notes["onset"] -= start
        near = (notes["onset"] < bars * shape.steps) & (notes["onset"] + notes["duration"] > 0)
        return Roll.from_notes(notes[near], shape.track_set, shape.resolution, bars, shape.steps, shape.encoding)

    def with_accompaniment(self, rolls: Sequence[Roll]) -> Song:
        """The file with the other tracks of a roll for each stretch: the given track's notes are as they were.

        The other tracks play with the programs of the track set, at the given track's median velocity.
        """
        resolution, beat = self.shape.resolution, self.song.ticks_per_beat
        # So many ticks that both grids are exact, where a MIDI file can have as many.
        scale = math.lcm(beat, resolution) // beat
        scale = scale if beat * scale <= _MAX_TICKS else 1
        given = self.song.notes.copy()
        given["onset"] *= scale
        given["duration"] *= scale
        tracks = self.shape.track_set.tracks
        velocity = int(np.median(given["velocity"]))
        controls = self.song.controls.copy()
        controls["tick"] *= scale
        parts: list[str] = []
        notes = []
        for number, track in enumerate(tracks):
            if number == self.track:  # of one part or several, which stay apart
                mine = given.copy()
                mine["part"] += len(parts)
                controls["part"] += len(parts)
                parts += [track.name] * len(self.song.parts)
            else:
                steps = np.concatenate(
                    [_moved(roll, number, start) for roll, (start, _) in zip(rolls, self.stretches, strict=True)]
                )
                mine = _in_ticks(steps, beat * scale, resolution, track)
                mine["part"], mine["velocity"] = len(parts), velocity
                parts.append(track.name)
            notes.append(mine)
        both = sort_notes(np.concatenate(notes))
        tables = {}
        for name in ("tempos", "time_signatures", "key_signatures"):
            rows = getattr(self.song, name).copy()
            rows["tick"] *= scale
            tables[name] = rows
        end = int((both["onset"] + both["duration"]).max(initial=0))
        return replace(
            self.song,
            ticks_per_beat=beat * scale,
            notes=both,
            controls=controls,
            parts=tuple(parts),
            pickup=self.song.pickup * scale,
            end=end,
            repairs=(),
            **tables,
        )


def _moved(roll: Roll, track: int, start: int) -> Table:
    notes = roll.notes()
    chosen: Table = notes[notes["track"] == track]
    chosen["onset"] += start
    return chosen


def _in_ticks(steps: Table, beat: int, resolution: int, track: Track) -> Table:
    """Notes in steps (dtype ``STEP_NOTE``) as notes in ticks (dtype ``NOTE``), on the nearest tick."""
    notes = np.zeros(len(steps), dtype=NOTE)
    onset, stop = ((2 * step * beat + resolution) // (2 * resolution) for step in _edges(steps))
    notes["onset"], notes["duration"] = onset, np.maximum(stop - onset, 1)
    notes["pitch"] = steps["pitch"]
    notes["program"], notes["is_drum"] = track.program, track.is_drum
    return notes


def _edges(steps: Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return steps["onset"], steps["onset"] + steps["duration"]


def track_number(name: str, track_set: TrackSet) -> int:
    """A track by its name, one of its parts' names (both without case), or its number (from 0).

    Raises:
        UserError: there is no such track; which there are.

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


def read_given(path: Path, shape: RollShape, track: int) -> Given:
    """Read the track ``track`` of a MIDI file, found as the track set finds it.

    Where the file has no such track but one part that sounds, that part is the track.

    Raises:
        UserError: the file is no MIDI file, has no such track, or no bar that fits.
        OSError: it can't be read.

    """
    try:
        song = read_midi(path, controls=True)
    except MidiError as error:
        raise UserError(f"{path}: {error}") from None
    try:
        return _given(song, shape, track)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _given(song: Song, shape: RollShape, track: int) -> Given:
    one = shape.track_set.tracks[track]
    mine = _notes_of(song, shape.track_set, track)
    sounding, part = np.unique(mine["part"], return_inverse=True)
    on_grid = mine.copy()
    on_grid["part"] = 0
    alone = TrackSet(one.name, (replace(one, programs=()),), shape.track_set.low, shape.track_set.pitches, by="part")
    piece = quantise(replace(song, notes=on_grid, parts=(one.name,)), alone, shape.resolution)
    if not piece.losses.kept:
        raise UserError(f"no note of {one.name} lies within its pitches {one.low} to {one.high}")
    stretches, others = _stretches(song, shape)
    bars = sum(length for _, length in stretches)
    if not bars:
        raise UserError(f"no full bar of {shape.steps} steps ({_beats(shape)} beats), as this network's are")
    if bars > MAX_BARS:
        raise UserError(f"{bars:,} bars: more than the {MAX_BARS:,} that are accompanied")
    mine = mine.copy()
    mine["part"] = part
    notes = piece.notes.copy()
    notes["track"] = track
    names = tuple(song.parts[number] for number in sounding)
    controls = song.controls[np.isin(song.controls["part"], sounding)]
    controls["part"] = np.searchsorted(sounding, controls["part"])
    remarks = _remarks(song, piece.losses, one, shape, others)
    return Given(replace(song, notes=mine, parts=names, controls=controls), shape, track, notes, stretches, remarks)


def _beats(shape: RollShape) -> str:
    return f"{shape.steps / shape.resolution:g}"


def _notes_of(song: Song, track_set: TrackSet, track: int) -> Table:
    """A track's notes as they are in the file."""
    one, names = track_set.tracks[track], song.parts
    sounding = np.unique(song.notes["part"]).tolist()
    if track_set.by == "program":
        found = track_set.by_sound[np.where(song.notes["is_drum"], 128, song.notes["program"])] == track
    else:
        known = {one.name.lower(), *map(str.lower, one.parts)}
        found = np.isin(song.notes["part"], [part for part in sounding if names[part].strip().lower() in known])
        if not found.any() and len(sounding) == len(track_set):  # parts without names are told by their order
            found = song.notes["part"] == sounding[track_set.assign_parts([names[i] for i in sounding]).index(track)]
    notes: Table = song.notes[found]
    if len(notes):
        return notes
    if len(sounding) > 1:
        heard = ", ".join(dict.fromkeys(names[part] or "without a name" for part in sounding))
        if track_set.by == "part":
            how = f"call the one you mean {one.name}"
        else:
            how = "put the one you mean on " + ("channel 10" if one.is_drum else f"a program of {one.name}")
        raise UserError(
            f"it has no {one.name}, but {len(sounding)} parts that sound: {heard} ({how}, or give a file with it alone)"
        )
    if bool(song.notes["is_drum"].any()) != one.is_drum:
        raise UserError(f"it has no {one.name}, and its only part is {'pitched' if one.is_drum else 'drums'}")
    return song.notes


def _stretches(song: Song, shape: RollShape) -> tuple[tuple[tuple[int, int], ...], int]:
    """The unbroken runs of full bars of the shape's length, first step and bars of each; and how many other bars."""
    everything = song.notes.copy()
    everything["part"], everything["is_drum"] = 0, False
    anything = TrackSet("all", (Track("all", 0),), low=0, pitches=128, by="part")
    piece = quantise(replace(song, notes=everything, parts=("all",)), anything, shape.resolution)
    fits = piece.full & (np.diff(piece.bar_starts) == shape.steps)
    edges: NDArray[np.intp] = np.flatnonzero(np.diff(np.concatenate([[False], fits, [False]]).astype(np.int8)))
    found = tuple((int(piece.bar_starts[start]), int(stop - start)) for start, stop in edges.reshape(-1, 2))
    return found, int((~fits).sum())


def _remarks(song: Song, losses: Losses, track: Track, shape: RollShape, others: int) -> tuple[str, ...]:
    lines = [f"mended: {repair}" for repair in song.repairs]
    if losses.out_of_range:
        where = f"its pitches {track.low} to {track.high}"
        lines.append(f"{losses.out_of_range} notes of {track.name} lie outside {where}: they stay, but go unheeded")
    if losses.moved:
        lines.append(
            f"{losses.moved} notes of {track.name} begin off the grid: they stay, and are taken at the nearest step"
        )
    if others:
        lines.append(f"{others} bars are no full bars of {_beats(shape)} beats: only {track.name} plays there")
    return tuple(lines)
