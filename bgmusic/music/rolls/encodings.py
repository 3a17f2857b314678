"""The two encodings of held and repeated notes, as NumPy functions.

- ``onset`` (lossless): cells are on for the whole length of a note; a second array marks the first cell of each note.
- ``pause`` (the papers'): cells alone. A note loses its last step when a note of the same pitch follows at once. A
  note of one step cannot be shortened, so it is fused with the next. Drums need no pause: each cell is a hit.

Arrays of cells are boolean with axes ``(..., tracks, bars, steps, pitches)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import Table
from bgmusic.music.rolls.tracks import TrackSet

Encoding = Literal["pause", "onset"]
ENCODINGS: tuple[Encoding, ...] = ("pause", "onset")
Cells = NDArray[np.bool_]


def require_encoding(encoding: object) -> None:
    """Check that a value names an encoding.

    Raises:
        UserError: it does not.

    """
    if encoding not in ENCODINGS:
        raise UserError(f"encoding {encoding!r} is unknown; choose {' or '.join(ENCODINGS)}")


def note_begins(cells: Cells, onsets: Cells | None, drums: NDArray[np.bool_]) -> Cells:
    """Mark the first cell of every note, as ``Roll.notes`` reads them.

    A note begins where a cell is on that was off in the step before; bar lines do not end notes. With ``onsets``, a
    note also begins at each onset. Without, every cell of a drum track is a hit.

    Args:
        cells: boolean ``(batch, tracks, bars, steps, pitches)``.
        onsets: boolean of the same shape, or None for the pause encoding.
        drums: boolean ``(tracks,)``, True for drum tracks.

    Returns:
        A boolean array of the shape of ``cells``.

    """
    on = cells if onsets is None else cells | onsets
    batch, tracks, bars, steps, pitches = on.shape
    time = on.reshape(batch, tracks, bars * steps, pitches)
    begins = time.copy()
    begins[:, :, 1:] &= ~time[:, :, :-1]
    result: Cells = begins.reshape(on.shape)
    if onsets is not None:
        return result | onsets
    result[:, drums] = cells[:, drums]
    return result


def with_pauses(cells: Cells, onsets: Cells, drums: NDArray[np.bool_]) -> Cells:
    """Convert lossless cells and onsets to the pause encoding.

    A cell is turned off where the next step begins a note of its pitch, unless the cell is an onset itself (a note of
    one step). A note held over the start of a phrase is shortened like any other. Drum tracks keep the first cell of
    each hit.

    Args:
        cells: boolean ``(batch, tracks, bars, steps, pitches)``, on wherever ``onsets`` is.
        onsets: boolean of the same shape.
        drums: boolean ``(tracks,)``, True for drum tracks.

    Returns:
        A boolean array of the shape of ``cells``.

    """
    batch, tracks, bars, steps, pitches = cells.shape
    paused = cells.reshape(batch, tracks, bars * steps, pitches).copy()
    begins = onsets.reshape(paused.shape)
    repeated = begins[:, :, 1:] & ~begins[:, :, :-1]
    repeated[:, drums] = False
    paused[:, :, :-1] &= ~repeated
    result: Cells = paused.reshape(cells.shape)
    result[:, drums] = note_begins(cells[:, drums], onsets[:, drums], drums[drums])
    return result


def pause_stops(notes: Table, track_set: TrackSet) -> NDArray[np.int64]:
    """Return the step at which each note ends in the pause encoding.

    Args:
        notes: dtype ``STEP_NOTE``, without overlaps of one pitch in one track.
        track_set: the tracks that the notes refer to.

    Returns:
        int64 ``(notes,)``, in the order of ``notes``.

    """
    shortened = _repeated_at_once(notes, track_set) & (notes["duration"] > 1)
    stops: NDArray[np.int64] = notes["onset"] + notes["duration"] - shortened
    return stops


def _repeated_at_once(notes: Table, track_set: TrackSet) -> NDArray[np.bool_]:
    """Mark the notes that a note of their pitch and track follows at once; drums never are."""
    key = notes["track"].astype(np.int64) * 128 + notes["pitch"]
    onset = notes["onset"] - notes["onset"].min(initial=0)
    place = key * (int(onset.max(initial=0)) + 1) + onset  # one number sorts faster than three columns
    order = np.argsort(place)
    key, onset, stop = key[order], onset[order], (onset + notes["duration"])[order]
    followed = (key[1:] == key[:-1]) & (onset[1:] == stop[:-1])
    result = np.zeros(len(notes), dtype=np.bool_)
    result[order[:-1]] = followed & ~track_set.drums[key[:-1] >> 7]
    return result


@dataclass(frozen=True)
class EncodingLoss:
    """Number of ``notes`` that an encoding changes: ``fused`` with the note before, or ``shortened`` by one step."""

    notes: int
    fused: int
    shortened: int

    @property
    def lost(self) -> float:
        """The share of notes that the encoding changes, 0 to 1."""
        return (self.fused + self.shortened) / self.notes if self.notes else 0.0


def encoding_loss(notes: Table, track_set: TrackSet, encoding: Encoding) -> EncodingLoss:
    """Count the notes that an encoding changes.

    Args:
        notes: dtype ``STEP_NOTE``, without overlaps of one pitch in one track.
        track_set: the tracks that the notes refer to.
        encoding: ``onset`` changes none.

    """
    if encoding == "onset":
        return EncodingLoss(len(notes), 0, 0)
    track = notes["track"].astype(np.int64)
    onset = notes["onset"] - notes["onset"].min(initial=0)
    stop = onset + notes["duration"]
    # Notes without overlaps end in the order in which they begin, so sorted onsets and sorted ends still match.
    key = (track << 7 | notes["pitch"]) * (int(stop.max(initial=0)) + 1)
    pitched = np.flatnonzero(~track_set.drums[track])
    begins, ends = np.sort((key + onset).take(pitched)), np.sort((key + stop).take(pitched))
    followed = begins[1:] == ends[:-1]
    fused = int(np.count_nonzero(followed & (ends[:-1] - begins[:-1] == 1)))
    return EncodingLoss(len(notes), fused, int(np.count_nonzero(followed)) - fused)
