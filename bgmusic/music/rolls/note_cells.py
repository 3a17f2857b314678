"""Convert between notes in steps and the cells of a roll."""

from __future__ import annotations

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.midi.song import Table
from bgmusic.music.rolls.checks import STEP_NOTE, require_notes
from bgmusic.music.rolls.encodings import Cells, Encoding, pause_stops, require_encoding
from bgmusic.music.rolls.tracks import TrackSet

MAX_CELLS = 1 << 27  # 128 MiB of booleans, more than any real piece needs


def notes_to_cells(
    notes: Table, track_set: TrackSet, bars: int, steps: int, encoding: Encoding
) -> tuple[Cells, Cells | None]:
    """Return the cells of notes, and their onsets in the lossless encoding; see ``Roll.from_notes``."""
    require_notes(notes)
    require_encoding(encoding)
    length, tracks, pitches = bars * steps, len(track_set), track_set.pitches
    if min(bars, steps) < 1 or length * tracks * pitches > MAX_CELLS:
        raise UserError(f"a roll of {bars} bars of {steps} steps is not within 1 and {MAX_CELLS} cells")
    if len(notes) and int(notes["track"].max()) >= tracks:
        raise UserError(f"a note is in track {int(notes['track'].max())}; the set has tracks 0 to {tracks - 1}")
    if len(notes) and int(notes["duration"].min()) < 1:
        raise UserError(f"a note has a duration of {int(notes['duration'].min())} steps; the least is 1")
    onset, row = notes["onset"], notes["pitch"].astype(np.int64) - track_set.low
    stop = pause_stops(notes, track_set) if encoding == "pause" else onset + notes["duration"]
    # A longer drum note would be read back as several hits in the pause encoding.
    stop = np.where(track_set.drums[notes["track"]], onset + 1, stop)
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
    if np.count_nonzero(cells) != len(within):
        raise UserError("notes of one pitch in one track overlap")
    shape = (tracks, bars, steps, pitches)
    if encoding == "pause":
        return cells.reshape(shape), None
    onsets = np.zeros_like(cells)
    onsets[base[onset >= 0]] = True
    return cells.reshape(shape), onsets.reshape(shape)


def cells_to_notes(cells: Cells, onsets: Cells | None, track_set: TrackSet) -> Table:
    """Return the notes of cells, sorted by onset, track and pitch.

    Args:
        cells: boolean ``(tracks, bars, steps, pitches)``.
        onsets: boolean of the same shape, or None in the pause encoding.
        track_set: the tracks.

    Returns:
        An array of dtype ``STEP_NOTE``.

    """
    tracks, bars, steps, pitches = cells.shape
    length, drums = bars * steps, track_set.drums
    on = cells if onsets is None else cells | onsets
    on = np.ascontiguousarray(on.reshape(tracks, length, pitches).transpose(0, 2, 1))
    begins = on.copy()
    begins[:, :, 1:] &= ~on[:, :, :-1]
    if onsets is not None:
        begins |= onsets.reshape(tracks, length, pitches).transpose(0, 2, 1)
    else:
        begins[drums] = on[drums]
    ends = on.copy()
    ends[:, :, :-1] &= ~on[:, :, 1:] | begins[:, :, 1:]

    track, row, onset = np.nonzero(begins)
    _, _, last = np.nonzero(ends)
    notes = np.empty(len(track), dtype=STEP_NOTE)
    notes["track"], notes["onset"], notes["pitch"] = track, onset, row + track_set.low
    notes["duration"] = last - onset + 1
    notes["duration"][drums[track]] = 1
    return notes[np.lexsort((notes["pitch"], notes["track"], notes["onset"]))]
