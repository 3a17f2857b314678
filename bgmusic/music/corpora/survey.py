"""Look at the parts of all files of a folder, and at how a track set fits them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.corpora.piece import decode
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.sources import open_sources
from bgmusic.music.corpora.sources.base import Entry, Source, Unreadable, content_of
from bgmusic.music.midi.song import Song, require_valid_notes
from bgmusic.music.rolls.collecting import split_annotations, tracks_of
from bgmusic.music.rolls.steps import MAX_BEATS
from bgmusic.music.rolls.tracks import PERCUSSION, TrackSet

BAR = 4  # beats; the unit in which parts sound together
_MOST_PARTS = 1024  # of a file; later parts are not looked at
_POLYPHONIC = 1.2  # notes per onset
_BLOCK = 3  # notes of a chord

Progress = Callable[[int], None]  # progress callback: entries read since the last call


@dataclass(frozen=True)
class Kind:
    """Parts that are alike in all that a track set can tell apart.

    Attributes:
        name: name of the part.
        channel: MIDI channel, 1 to 16; 0 if unknown.
        program: a program of its notes; 0 for percussion.
        is_drum: whether these notes are percussion.
        labels: whether it looks like chord labels: block chords by its name and its notes, beside a polyphonic part.

    """

    name: str
    channel: int
    program: int
    is_drum: bool
    labels: bool = False


@dataclass
class Survey:
    """The parts of all files: three columns with one row for each part of a file, and each program of the part.

    Attributes:
        kinds: the kinds of parts; ``kind`` is an index into them.
        file: number of the file.
        kind: number of the kind.
        notes: number of notes.
        files: number of files with notes.
        unusable: names and reasons of files that can't be read.

    """

    kinds: list[Kind] = field(default_factory=list)
    file: array[int] = field(default_factory=lambda: array("L"))
    kind: array[int] = field(default_factory=lambda: array("L"))
    notes: array[int] = field(default_factory=lambda: array("L"))
    files: int = 0
    unusable: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Fit:
    """How a track set fits files.

    Attributes:
        files: number of files in which each track plays: int64 ``(tracks,)``.
        pitches: notes of each track by pitch: int64 ``(tracks, 128)``.
        programs: notes of each track by program: int64 ``(tracks, 128)``.
        together: bars of four beats in which two tracks both play: int64 ``(tracks, tracks)``; the diagonal has the
            bars in which each plays.
        bars: bars in which any track plays.
        left_out: notes without a track, by name and program of their part.
        annotations: notes of annotations.

    """

    files: NDArray[np.int64]
    pitches: NDArray[np.int64]
    programs: NDArray[np.int64]
    together: NDArray[np.int64]
    bars: int = 0
    left_out: Counter[tuple[str, int, bool]] = field(default_factory=Counter)
    annotations: int = 0


class Files:
    """The files of sources, to be read several times.

    Args:
        names: folders, files, archives, ``music21:NAME`` or ``muspy:NAME``.

    Raises:
        UserError: a source does not exist, or there is no music in it.

    """

    def __init__(self, names: Sequence[str]) -> None:
        self._sources, _ = open_sources(names)
        self._entries: list[tuple[Source, Entry]] = [(s, entry) for s in self._sources for entry in s.entries()]
        if not self._entries:
            self.close()
            raise UserError(f"no music in {', '.join(names)}: no MIDI file, npz of rolls, or archive")

    def __len__(self) -> int:
        return len(self._entries)

    def songs(self, progress: Progress) -> Iterator[Song | tuple[str, str]]:
        """Iterate over the songs; for a file that can't be read, its name and the reason."""
        settings = Settings.create(TrackSet.load("lpd-5"), 12)
        for source, entry in self._entries:
            yield _song(source, entry, settings)
            progress(1)

    def close(self) -> None:
        """Close all sources."""
        for source in self._sources:
            source.close()


def _song(source: Source, entry: Entry, settings: Settings) -> Song | tuple[str, str]:
    content = content_of(source.read, entry)
    if isinstance(content, str):
        return entry.name, content
    if entry.kind == "cells":
        return entry.name, "rolls of MuseGAN have fixed tracks, without names and programs"
    try:
        song, _ = decode(entry, content, settings)
        require_valid_notes(song)
    except (Unreadable, UserError) as error:
        return entry.name, str(error)
    except Exception as error:  # as in a build, one file must not end the survey of thousands
        return entry.name, f"unexpected {type(error).__name__}: {error}"
    return song if len(song.notes) else (entry.name, "no notes")


def survey(files: Files, progress: Progress = lambda done: None) -> Survey:
    """Look at the parts of all files."""
    result = Survey()
    numbers: dict[Kind, int] = {}
    for song in files.songs(progress):
        if isinstance(song, tuple):
            result.unusable.append(song)
            continue
        for kind, notes in _parts(song):
            number = numbers.setdefault(kind, len(numbers))
            if number == len(result.kinds):
                result.kinds.append(kind)
            result.file.append(result.files)
            result.kind.append(number)
            result.notes.append(notes)
        result.files += 1
    return result


def _parts(song: Song) -> list[tuple[Kind, int]]:
    """Return the kinds of a song's parts, with their numbers of notes."""
    part, parts = song.notes["part"], []
    order = np.argsort(part, kind="stable")
    sounding, first = np.unique(part[order], return_index=True)
    pieces = np.split(order, first[1:])[:_MOST_PARTS]
    polyphonic = {
        number
        for number, rows in zip(sounding.tolist(), pieces, strict=False)
        if not song.notes["is_drum"][rows[0]] and len(rows) > _POLYPHONIC * len(np.unique(song.notes["onset"][rows]))
    }
    for number, rows in zip(sounding.tolist(), pieces, strict=False):
        notes = song.notes[rows]
        name = song.parts[number][:200] if number < len(song.parts) else ""
        channel = song.channels[number] if number < len(song.channels) else 0
        labels = "chord" in name.lower() and bool(polyphonic - {number}) and _are_blocks(notes)
        sounds = np.where(notes["is_drum"], PERCUSSION, notes["program"])
        for sound, count in enumerate(np.bincount(sounds).tolist()):
            if count:
                is_drum = sound == PERCUSSION
                parts.append((Kind(name, channel, 0 if is_drum else sound, is_drum, labels and not is_drum), count))
    return parts


def _are_blocks(notes: NDArray[np.void]) -> bool:
    """Return whether nine in ten notes belong to chords of three or more notes that begin and end together."""
    spans = np.stack([notes["onset"], notes["duration"]], axis=1)
    _, counts = np.unique(spans, axis=0, return_counts=True)
    return bool(counts[counts >= _BLOCK].sum() >= 0.9 * len(notes))


def measure(files: Files, track_set: TrackSet, progress: Progress = lambda done: None) -> Fit:
    """Measure how a track set fits the files; its pitch ranges are ignored."""
    tracks = len(track_set)
    fit = Fit(
        np.zeros(tracks, np.int64),
        np.zeros((tracks, 128), np.int64),
        np.zeros((tracks, 128), np.int64),
        np.zeros((tracks, tracks), np.int64),
    )
    for song in files.songs(progress):
        if isinstance(song, tuple):
            continue
        music, aside = split_annotations(song, track_set)
        fit.annotations += len(aside.notes)
        number = tracks_of(music, track_set)
        _count_left_out(music, number == tracks, fit.left_out)
        kept, number = music.notes[number < tracks], number[number < tracks]
        np.add.at(fit.pitches, (number, kept["pitch"]), 1)
        np.add.at(fit.programs, (number, kept["program"]), 1)
        fit.files += np.bincount(number, minlength=tracks) > 0
        playing = _playing(kept, number, tracks, BAR * song.ticks_per_beat)
        fit.bars += int(playing.any(axis=1).sum())
        fit.together += playing.T.astype(np.int64) @ playing.astype(np.int64)
    return fit


def _count_left_out(song: Song, lost: NDArray[np.bool_], counts: Counter[tuple[str, int, bool]]) -> None:
    notes = song.notes[lost]
    rows, found = np.unique(notes[["part", "program", "is_drum"]], return_counts=True)
    for (part, program, is_drum), count in zip(rows.tolist(), found.tolist(), strict=True):
        counts[song.parts[part] if part < len(song.parts) else "", program, bool(is_drum)] += count


def _playing(notes: NDArray[np.void], tracks: NDArray[np.int64], count: int, bar: int) -> NDArray[np.bool_]:
    """Return in which bars (of ``bar`` ticks) the tracks play: boolean ``(bars, tracks)``, silent ends left out."""
    most = MAX_BEATS // BAR
    first = np.minimum(notes["onset"] // bar, most - 1)
    last = np.minimum((notes["onset"] + notes["duration"] - 1) // bar, most - 1)
    changes = np.zeros((int(last.max(initial=0)) + 2, count), np.int64)
    np.add.at(changes, (first, tracks), 1)
    np.add.at(changes, (last + 1, tracks), -1)
    return np.asarray(np.cumsum(changes[:-1], axis=0) > 0)
