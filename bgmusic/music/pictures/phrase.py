"""Draw one phrase with the names of its tracks and notes, and bar numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
from bgmusic.music.pictures import colours
from bgmusic.music.pictures.raster import Rows, band_tops, draw, require_alike, require_rows, shade, used_rows
from bgmusic.music.rolls.roll import Roll

if TYPE_CHECKING:
    from PIL.Image import Image

_BAR_WIDTH, _HEIGHT = 160, 900  # target width of a bar and height of all tracks, in pixels
_MAX_PIXELS = 1 << 24
_TEXT, _SMALL = 19, 16  # font sizes: track names, note names
_HEAD = 24  # pixels above the cells
_TINT, _FRAME = 0.5, 3  # of marks: most of their colour, and pixels of a frame
_PAPER = 200  # least value of the channels of paper and lines, not of notes
_MAX_NAME = 12  # characters of a track name
# Short names that fit beside the rows; those of General MIDI (pretty_midi's "Acoustic Bass Drum") do not.
_DRUM_NAMES = {
    35: "kick", 36: "kick", 37: "stick", 38: "snare", 39: "clap", 40: "snare", 41: "tom", 42: "hat", 43: "tom",
    44: "pedal", 45: "tom", 46: "open", 47: "tom", 48: "tom", 49: "crash", 50: "tom", 51: "ride", 52: "china",
    53: "bell", 54: "shake", 55: "splash", 56: "bell", 57: "crash", 59: "ride",
}  # fmt: skip


def draw_phrase(
    roll: Roll,
    rows: Rows | None = None,
    caption: str = "",
    preactivated: NDArray[np.float32] | None = None,
    marks: NDArray[np.float32] | None = None,
) -> Image:
    """Draw a phrase as an RGB image, about 700 pixels wide for four bars; bars beyond 16 million pixels are left out.

    Args:
        roll: the phrase.
        rows: pitch rows to show per track, ``used_rows`` of all phrases to be compared; by default those with notes.
        caption: a few words for the upper right corner.
        preactivated: drawn instead of the notes: floating-point ``(tracks, bars, steps, pitches)`` in [0, 1].
        marks: bars of tracks to mark: floating-point ``(tracks, bars)`` in [0, 1], from no mark to a strong tint; the
            strongest has a frame.

    Returns:
        The image, mode RGB.

    Raises:
        UserError: ``roll`` is not a ``Roll``, rows out of range, or ``preactivated`` or ``marks`` of another dtype or
            shape.

    """
    from PIL import Image, ImageDraw, ImageFont

    require_alike([roll])
    if preactivated is not None:
        if preactivated.shape != roll.cells.shape or not np.issubdtype(preactivated.dtype, np.floating):
            raise UserError(
                f"preactivated must be floating-point of the roll's shape {roll.cells.shape}, not "
                f"{preactivated.dtype} {preactivated.shape}"
            )
        if np.isnan(preactivated).any():
            raise UserError("preactivated has NaN")
    if marks is not None:
        _require_marks(marks, roll)
    rows = used_rows([roll]) if rows is None else require_rows(rows, roll)
    lines = sum(high - low + 1 for low, high in rows)
    width = max(1, round(max(_BAR_WIDTH, 4 * _BAR_WIDTH / roll.bars) / roll.steps))
    height = min(10, max(3, _HEIGHT // lines))
    bars = min(roll.bars, max(1, _MAX_PIXELS // (lines * height * roll.steps * width)))
    if bars < roll.bars:
        roll = replace(roll, cells=roll.cells[:, :bars], onsets=None if roll.onsets is None else roll.onsets[:, :bars])
    table = colours.palette([track.is_drum for track in roll.track_set.tracks])
    if preactivated is None:
        cells = table[draw(roll, rows, width, height)]
    else:
        cells = shade(roll, preactivated[:, :bars], rows, width, height)
    if marks is not None:
        cells = _marked(cells, marks[:, :bars], band_tops(rows, height), roll.steps * width)
    font, names = ImageFont.load_default(_TEXT), [track.name[:_MAX_NAME] for track in roll.track_set.tracks]
    gutter = 10 + round(max(font.getlength(name) for name in names))
    picture = Image.new("RGB", (gutter + cells.shape[1] + 1, _HEAD + cells.shape[0]), "white")
    picture.paste(Image.fromarray(cells), (gutter, _HEAD))
    pen = ImageDraw.Draw(picture)
    pen.font = font
    ink = tuple(table[colours.INK].tolist())
    for bar in range(bars):
        pen.text((gutter + bar * roll.steps * width + 2, 2), str(bar + 1), ink)
    if caption:
        pen.text((picture.width - 4, 2), caption, ink, anchor="ra")
    small = ImageFont.load_default(_SMALL)
    for track, top in enumerate(band_tops(rows, height)[:-1]):
        colour = tuple(table[colours.held(track) + 1].tolist())
        pen.text((gutter - 6, _HEAD + top), names[track], colour, anchor="ra")
        for middle, name in _row_names(roll, track, rows[track], height):
            pen.text((gutter - 6, _HEAD + top + middle), name, colour, font=small, anchor="rm")
    return picture


def _require_marks(marks: NDArray[np.float32], roll: Roll) -> None:
    form = roll.cells.shape[:2]
    if marks.shape != form or not np.issubdtype(marks.dtype, np.floating):
        raise UserError(f"marks must be floating-point of shape {form}, not {marks.dtype} {marks.shape}")
    if not ((marks >= 0) & (marks <= 1)).all():
        raise UserError("marks must be between 0 and 1")


def _marked(cells: NDArray[np.uint8], marks: NDArray[np.float32], tops: list[int], bar_width: int) -> NDArray[np.uint8]:
    """Tint the paper in bars of tracks, and frame the one with the strongest mark."""
    colour = np.array(colours.MARK, np.float32)
    marked = cells.astype(np.float32)
    strongest = np.unravel_index(marks.argmax(), marks.shape)
    for track, bar in zip(*np.nonzero(marks), strict=True):
        box = marked[tops[track] : tops[track + 1], bar * bar_width : (bar + 1) * bar_width + 1]
        paper = box.min(-1) >= _PAPER
        tint = _TINT * marks[track, bar]
        box[paper] = box[paper] * (1 - tint) + colour * tint
        if (track, bar) == strongest:
            for edge in (box[:_FRAME], box[-_FRAME:], box[:, :_FRAME], box[:, -_FRAME:]):
                edge[:] = colour
    pixels: NDArray[np.uint8] = np.rint(marked).astype(np.uint8)
    return pixels


def _row_names(roll: Roll, track: int, rows: tuple[int, int], height: int) -> Iterator[tuple[int, str]]:
    """Yield labels of rows with the height of their middle in pixels: Cs (C4 is MIDI pitch 60), or drums that strike.

    Labels that would overlap the track name or each other are left out.
    """
    low, high = rows
    drum = roll.track_set.tracks[track].is_drum
    struck = roll.cells[track].any((0, 1))
    free = _TEXT + _SMALL // 2
    for row in range(high, low - 1, -1):
        pitch = roll.low + row
        if drum:
            name = _DRUM_NAMES.get(pitch, "") if struck[row] else ""
        else:
            name = f"C{pitch // 12 - 1}" if pitch % 12 == 0 else ""
        middle = (high - row) * height + height // 2
        if name and free <= middle <= (high - low + 1) * height - _SMALL // 2 + 2:
            yield middle, name
            free = middle + _SMALL


def png(picture: Image) -> bytes:
    """Return a picture as the content of a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def save_phrase(path: str | Path, roll: Roll) -> None:
    """Draw a phrase by :func:`draw_phrase` and write it as PNG (atomic write).

    Raises:
        UserError: ``roll`` is not a ``Roll``.
        OSError: the file cannot be written.

    """
    write_bytes(path, png(draw_phrase(roll)))
