"""Read one roll from a file: MIDI, or an npz of phrases."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.midi.pedal import with_pedal
from bgmusic.music.midi.read import MidiError, read_midi
from bgmusic.music.midi.song import Song
from bgmusic.music.rolls.checks import require_integer
from bgmusic.music.rolls.grid import StepNotes, quantise
from bgmusic.music.rolls.joining import cut_roll
from bgmusic.music.rolls.phrase_files import read_phrases
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.plurals import count_of


@dataclass(frozen=True, eq=False)
class BarsOfFile:
    """Bars of a MIDI file on a grid.

    Attributes:
        song: the whole file.
        piece: its notes on the grid.
        first: the first of the bars, from 0.
        roll: the bars.

    """

    song: Song
    piece: StepNotes
    first: int
    roll: Roll

    @property
    def start(self) -> int:
        """The step at which the bars begin, from the first tick of the file."""
        return int(self.piece.bar_starts[self.first])


def read_midi_roll(
    path: str | Path, track_set: TrackSet, resolution: int, first_bar: int, bars: int | None, pedal: bool
) -> Roll:
    """Read bars of a MIDI file as a roll in the onset encoding; the arguments are those of ``bgmusic.read``.

    Raises:
        TypeError: ``first_bar`` or ``bars`` is not an integer.
        UserError: it is no MIDI file, its parts don't fit the tracks, or it has no such bars.
        OSError: the file can't be read.

    """
    require_integer("first_bar", first_bar)
    song = _read_song(path, pedal)
    return _bars_of_file(path, with_pedal(song) if pedal else song, track_set, resolution, first_bar, bars).roll


def read_midi_bars(path: str | Path, track_set: TrackSet, resolution: int) -> BarsOfFile:
    """Read the longest run of equal bars of a MIDI file, with the whole song and its controllers.

    Raises:
        UserError: it is no MIDI file, or its parts don't fit the tracks.
        OSError: the file can't be read.

    """
    return _bars_of_file(path, _read_song(path, True), track_set, resolution, 0, None)


def _bars_of_file(
    path: str | Path, song: Song, track_set: TrackSet, resolution: int, first_bar: int, bars: int | None
) -> BarsOfFile:
    """Cut bars of a song that was read from ``path``, as :func:`read_midi_roll` does; warn of bars that are left out.

    Raises:
        UserError: its parts don't fit the tracks, or it has no such bars.

    """
    try:
        piece = quantise(song, track_set, resolution)
        if not piece.bars:
            lost = piece.losses
            raise UserError(
                f"none of its {count_of(lost.notes, 'note')} fits the tracks of {track_set.name}: {lost.no_track} have "
                f"no track, {lost.out_of_range} are outside a track's range"
            )
        if bars is None:
            if not 0 <= first_bar < max(1, piece.bars):
                raise UserError(f"there is no bar {first_bar}; the file has bars 0 to {piece.bars - 1}")
            chosen, bars = _equal_bars(np.diff(piece.bar_starts), first_bar)
            if bars < piece.bars - first_bar:
                warnings.warn(
                    f"{path}: bars differ in length; reading {count_of(bars, 'bar')} of {piece.bars}, after the first "
                    f"{chosen}",
                    stacklevel=4,
                )
            first_bar = chosen
        return BarsOfFile(song, piece, first_bar, Roll.from_phrase(piece, first_bar, bars))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _read_song(path: str | Path, controls: bool) -> Song:
    try:
        return read_midi(path, controls=controls)
    except MidiError as error:
        raise MidiError(f"{path}: no MIDI file with notes: {error}") from None


def read_npz_roll(path: str | Path, index: int | None, first_bar: int, bars: int | None) -> Roll:
    """Read one phrase of an npz that ``Roll.save`` or ``bgmusic generate`` wrote, or some of its bars.

    Args:
        path: the file; see ``phrase_files``.
        index: number of the phrase, from 0; None for the only one.
        first_bar: the first bar to read, from 0.
        bars: number of bars; None for all that follow.

    Raises:
        TypeError: ``index``, ``first_bar`` or ``bars`` is not an integer.
        UserError: the file is damaged or of another kind, or has no such phrase or bars.
        OSError: the file can't be read.

    """
    phrases, _ = read_phrases(path)
    count = len(phrases)
    if index is None:
        if count > 1:
            raise UserError(f"{path} holds {count_of(count, 'phrase')}: choose one by index, 0 to {count - 1}")
        index = 0
    require_integer("index", index)
    if not 0 <= index < count:
        known = "only phrase 0" if count == 1 else f"phrases 0 to {count - 1}"
        raise UserError(f"{path}: there is no phrase {index}; the file has {known}")
    try:
        return cut_roll(phrases.roll(index), first_bar, bars)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _equal_bars(lengths: np.ndarray[Any, Any], first: int) -> tuple[int, int]:
    """Find the longest run of equal bars: from ``first`` if that is not 0, else anywhere. First bar and number."""
    edges = [first, *(np.flatnonzero(np.diff(lengths[first:])) + first + 1).tolist(), len(lengths)]
    runs = [(start, stop - start) for start, stop in itertools.pairwise(edges)]
    return runs[0] if first else max(runs, key=lambda run: run[1])
