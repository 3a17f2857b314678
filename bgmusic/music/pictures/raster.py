"""Draw rolls as pixels: one band per track, a rectangle per cell, onsets darker than held cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.pictures import colours
from bgmusic.music.rolls.roll import Roll

Rows = tuple[tuple[int, int], ...]
"""For each track the lowest and highest pitch row to draw, both included."""

_BLACK_KEYS = (1, 3, 6, 8, 10)
_MIN_ROWS = 12  # of a track with notes: an octave
_SILENT_ROWS = 6  # of a track without notes
_MARGIN = 1  # rows above and below the notes
_BAND_GAP = 2  # pixels between tracks, in the colour of bar lines


def require_alike(rolls: Sequence[Roll]) -> None:
    """Check that there are rolls, all of one shape, track set and resolution.

    Raises:
        UserError: there are none, or one differs from the first.

    """
    if not len(rolls):
        raise UserError("no rolls to draw")
    for number, roll in enumerate(rolls):
        if not isinstance(roll, Roll):
            raise UserError(f"roll {number} must be a Roll, not {type(roll).__name__}")
        if (roll.cells.shape, roll.track_set, roll.resolution) != (
            rolls[0].cells.shape,
            rolls[0].track_set,
            rolls[0].resolution,
        ):
            raise UserError(
                f"rolls must have one shape, track set and resolution; roll {number} is {roll.cells.shape} of "
                f"{roll.track_set.name!r}, roll 0 is {rolls[0].cells.shape} of {rolls[0].track_set.name!r}"
            )


def require_rows(rows: Rows, roll: Roll) -> Rows:
    """Check pitch rows ``(lowest, highest)`` per track against a roll, and return them.

    Raises:
        UserError: another number of tracks, or rows outside the roll's pitches.

    """
    last = roll.cells.shape[-1] - 1
    if len(rows) != len(roll.track_set) or not all(0 <= low <= high <= last for low, high in rows):
        raise UserError(f"rows must be {len(roll.track_set)} pairs (lowest, highest) within 0 and {last}, not {rows}")
    return rows


def used_rows(rolls: Sequence[Roll]) -> Rows:
    """Return the pitch rows that show every note of some rolls of one track set.

    A track with notes gets at least an octave, a silent track a few rows.

    Raises:
        UserError: no rolls, or rolls of different track sets.

    """
    if not len(rolls):
        raise UserError("no rolls to draw")
    if any(roll.track_set != rolls[0].track_set for roll in rolls):
        raise UserError("rolls must have one track set to share their rows")
    result = []
    pitches = rolls[0].track_set.pitches
    for track in range(len(rolls[0].track_set)):
        used = np.zeros(pitches, np.bool_)
        for roll in rolls:
            used |= active_cells(roll)[track].any((0, 1))
        rows = np.flatnonzero(used)
        low, high = (int(rows[0]) - _MARGIN, int(rows[-1]) + _MARGIN) if len(rows) else (0, -1)
        least = _MIN_ROWS if len(rows) else _SILENT_ROWS
        missing = max(0, least - (high - low + 1))
        low, high = low - missing // 2, high + missing - missing // 2
        shift = max(0, -low) - max(0, high - pitches + 1)
        result.append((max(0, low + shift), min(pitches - 1, high + shift)))
    return tuple(result)


def active_cells(roll: Roll) -> NDArray[np.bool_]:
    """Return the cells that sound, onsets included: boolean ``(tracks, bars, steps, pitches)``."""
    cells: NDArray[np.bool_] = roll.cells if roll.onsets is None else roll.cells | roll.onsets
    return cells


def onset_cells(roll: Roll) -> NDArray[np.bool_]:
    """Return the cells in which notes begin: boolean ``(tracks, bars, steps, pitches)``.

    In a roll without onsets these are the first cells of runs; in drum tracks all cells.
    """
    if roll.onsets is not None:
        return roll.onsets
    tracks, bars, steps, pitches = roll.cells.shape
    time = roll.cells.reshape(tracks, bars * steps, pitches)
    begins = time.copy()
    begins[:, 1:] &= ~time[:, :-1]
    drums = [track.is_drum for track in roll.track_set.tracks]
    begins[drums] = time[drums]
    shaped: NDArray[np.bool_] = begins.reshape(roll.cells.shape)
    return shaped


def band_tops(rows: Rows, cell: int) -> list[int]:
    """Return the first pixel row of each track's band, and the end of the last band."""
    tops = [0]
    for low, high in rows:
        tops.append(tops[-1] + (high - low + 1) * cell + _BAND_GAP)
    return tops


def draw(roll: Roll, rows: Rows, width: int, height: int) -> NDArray[np.uint8]:
    """Draw a roll with cells of ``width`` x ``height`` pixels.

    Tracks are stacked from top to bottom, pitch rises upwards and time runs to the right. Rows of black keys are
    shaded; lines mark the bottom of each C, each beat (from 6 pixels per beat) and each bar.

    Returns:
        Indices into ``colours.palette``, uint8 ``(H, W)``.

    """
    bands = [band for track in range(len(rows)) for band in _band(roll, track, rows[track], width, height)]
    return np.concatenate(bands)


def shade(roll: Roll, values: NDArray[np.float32], rows: Rows, width: int, height: int) -> NDArray[np.uint8]:
    """Draw preactivated outputs as shades of the track colours, in the layout of :func:`draw`.

    Args:
        roll: roll that defines the grid.
        values: floating-point ``(tracks, bars, steps, pitches)``; clipped to [0, 1].
        rows: pitch rows per track.
        width: pixels per step.
        height: pixels per pitch row.

    Returns:
        RGB, uint8 ``(H, W, 3)``.

    """
    drums = [track.is_drum for track in roll.track_set.tracks]
    table = colours.palette(drums).astype(np.float32)
    bands = []
    for track, (low, high) in enumerate(rows):
        empty = table[_grid(roll, rows[track], width, height, drums[track])]
        share = values[track].reshape(-1, values.shape[-1])[:, low : high + 1].T[::-1].astype(np.float32)
        share = share.clip(0, 1).repeat(height, 0).repeat(width, 1)[..., None]
        bands += [empty * (1 - share) + table[colours.held(track) + 1] * share]
        bands += [np.broadcast_to(table[colours.BAR], (_BAND_GAP, *empty.shape[1:]))]
    pixels: NDArray[np.uint8] = np.rint(np.concatenate(bands)).astype(np.uint8)
    return pixels


def _band(roll: Roll, track: int, rows: tuple[int, int], width: int, height: int) -> list[NDArray[np.uint8]]:
    """Draw a track: its band, and the gap below."""
    _, bars, steps, _ = roll.cells.shape
    low, high = rows
    picture = _grid(roll, rows, width, height, roll.track_set.tracks[track].is_drum)
    # To (rows from the top, steps), then each cell to a rectangle.
    on, begin = (
        plane[track].reshape(bars * steps, -1)[:, low : high + 1].T[::-1].repeat(height, 0).repeat(width, 1)
        for plane in (active_cells(roll), onset_cells(roll))
    )
    # From 4 pixels per row, a gap separates rows. An onset is drawn as the left edge of its note.
    if height >= 4:
        on &= (np.arange(len(on)) % height > 0)[:, None]
    edge = np.arange(on.shape[1]) % width < max(1, width // 3)
    picture[on] = colours.held(track)
    picture[on & begin & edge] = colours.held(track) + 1
    if roll.track_set.tracks[track].is_drum:
        picture[on & begin] = colours.held(track) + 1
    return [picture, np.full((_BAND_GAP, picture.shape[1]), colours.BAR, np.uint8)]


def _grid(roll: Roll, rows: tuple[int, int], width: int, height: int, drum: bool) -> NDArray[np.uint8]:
    """Return the empty band of a track."""
    _, bars, steps, _ = roll.cells.shape
    pitches = np.arange(rows[1], rows[0] - 1, -1) + roll.low
    picture = np.full((len(pitches) * height, bars * steps * width), colours.PAPER, np.uint8)
    if not drum:
        picture[np.isin(pitches % 12, _BLACK_KEYS).repeat(height)] = colours.BLACK_KEY
    beat = roll.resolution * width
    if beat >= 6:
        picture[:, ::beat] = colours.BEAT
    if not drum:
        picture[(np.flatnonzero(pitches % 12 == 0) + 1) * height - 1] = colours.OCTAVE
    picture[:, :: steps * width] = colours.BAR
    return picture
