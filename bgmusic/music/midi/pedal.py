"""Apply the sustain pedal: how long notes sound."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.song import Song, Table, channel_ids

_PEDAL, _RESET_CONTROLLERS = 64, 121
_PEDAL_DOWN = 64  # lowest value of a pressed pedal


@dataclass(frozen=True)
class PedalUse:
    """How the sustain pedal changes a song.

    Attributes:
        pressed: number of times that it is pressed.
        longer: number of pitched notes that sound longer than they are held.
        beats: mean number of beats by which those notes are longer; 0 if there are none.

    """

    pressed: int
    longer: int
    beats: float


def sounding_ends(song: Song) -> NDArray[np.int64]:
    """Return the tick at which each note stops sounding, int64 ``(notes,)``.

    A note under a pressed sustain pedal sounds until the pedal is released or the same pitch begins again on its
    channel. "Reset all controllers" releases the pedal; at the end of the piece all notes end.
    """
    notes = song.notes
    ends: NDArray[np.int64] = notes["onset"] + notes["duration"]
    last = max(song.end, int(ends.max(initial=0)))
    pedals = song.controls[np.isin(song.controls["number"], (_PEDAL, _RESET_CONTROLLERS))]
    if not len(pedals):
        return ends
    channels = channel_ids(song)
    channel_of_note, channel_of_row = channels[notes["part"]], channels[pedals["part"]]
    for channel in np.unique(channel_of_row).tolist():
        rows = pedals[channel_of_row == channel]
        indices = np.flatnonzero(channel_of_note == channel)
        down = _is_down(rows)
        # For each row the tick of the next release; a pedal may stay down to the end.
        released = np.append(np.where(down, last, rows["tick"]), last)
        released = np.minimum.accumulate(released[::-1])[::-1]
        # The pedal holds a note if it is down before the tick of the note's end, and not released at that tick.
        row = np.searchsorted(rows["tick"], ends[indices], side="left")
        held = np.flatnonzero(np.append(False, down)[row])
        until = np.minimum(released[row[held]], _next_onsets(notes[indices], last)[held])
        ends[indices[held]] = np.maximum(ends[indices[held]], until)
    return ends


def with_pedal(song: Song) -> Song:
    """Return a song whose pitched notes last as they sound, see ``sounding_ends``; drums keep their length."""
    notes = song.notes.copy()
    notes["duration"] = np.where(notes["is_drum"], notes["duration"], sounding_ends(song) - notes["onset"])
    return replace(song, notes=notes)


def pedal_use(song: Song) -> PedalUse:
    """Return how the sustain pedal changes a song, which was read with its controllers."""
    longer = with_pedal(song).notes["duration"] - song.notes["duration"]
    longer = longer[longer > 0]
    beats = float(longer.mean()) / song.ticks_per_beat if len(longer) else 0.0
    rows = song.controls[song.controls["number"] == _PEDAL]
    channel, down = channel_ids(song)[rows["part"]], _is_down(rows)
    pressed = 0
    for number in np.unique(channel).tolist():
        states = down[channel == number].astype(np.int8)
        pressed += int((np.diff(states, prepend=0) > 0).sum())
    return PedalUse(pressed, len(longer), beats)


def _is_down(rows: Table) -> NDArray[np.bool_]:
    """Return whether the pedal is down after each of its controllers."""
    return np.asarray((rows["number"] == _PEDAL) & (rows["value"] >= _PEDAL_DOWN))


def _next_onsets(notes: Table, last: int) -> NDArray[np.int64]:
    """Return for each note of a channel the next later onset of its pitch, or ``last``."""
    key = notes["pitch"].astype(np.int64) * (last + 1) + notes["onset"]
    ordered = np.sort(key)
    place = np.searchsorted(ordered, key, side="right")
    following = np.append(ordered, np.iinfo(np.int64).max)[place]
    pitch, onset = np.divmod(following, last + 1)
    return np.where(pitch == notes["pitch"], onset, last)
