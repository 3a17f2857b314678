"""One phrase with the names of its tracks and notes, and numbers on its bars."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bgmusic.files import write_bytes
from bgmusic.music.pictures import colours
from bgmusic.music.pictures.raster import Rows, draw, heights, shade, used_rows
from bgmusic.music.rolls.roll import Roll

if TYPE_CHECKING:
    from PIL.Image import Image

_BAR_WIDTH, _HEIGHT = 160, 900  # pixels that a bar and all tracks should take
_MOST_PIXELS = 1 << 24
_TEXT, _SMALL = 19, 16  # names of tracks, of notes
_HEAD = 24  # above the cells
_LONGEST = 12  # characters of a track's name
_DRUM_NAMES = {36: "kick", 38: "snare", 42: "hat", 46: "open", 49: "crash", 51: "ride"}


def draw_phrase(
    roll: Roll, rows: Rows | None = None, caption: str = "", preactivated: NDArray[np.float32] | None = None
) -> Image:
    """A phrase as an RGB image, some 700 pixels wide; a long one is wider, and cut before it fills the memory.

    Args:
        roll: the phrase.
        rows: the rows of each track that are shown (``used_rows`` of all pictures that stand side by side); by default
            those with notes.
        caption: a few words for the upper right corner.
        preactivated: shown in place of the notes: ``(tracks, bars, steps, pitches)`` in [0, 1].

    """
    from PIL import Image, ImageDraw, ImageFont

    rows = rows or used_rows([roll])
    lines = sum(high - low + 1 for low, high in rows)
    width = max(1, round(max(_BAR_WIDTH, 4 * _BAR_WIDTH / roll.bars) / roll.steps))
    height = min(10, max(3, _HEIGHT // lines))
    bars = min(roll.bars, max(1, _MOST_PIXELS // (lines * height * roll.steps * width)))
    if bars < roll.bars:
        roll = replace(roll, cells=roll.cells[:, :bars], onsets=None if roll.onsets is None else roll.onsets[:, :bars])
    table = colours.palette([track.is_drum for track in roll.track_set.tracks])
    if preactivated is None:
        cells = table[draw(roll, rows, width, height)]
    else:
        cells = shade(roll, preactivated[:, :bars], rows, width, height)
    font, names = ImageFont.load_default(_TEXT), [track.name[:_LONGEST] for track in roll.track_set.tracks]
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
    for track, top in enumerate(heights(rows, height)[:-1]):
        colour = tuple(table[colours.held(track) + 1].tolist())
        pen.text((gutter - 6, _HEAD + top), names[track], colour, anchor="ra")
        for middle, name in _row_names(roll, track, rows[track], height):
            pen.text((gutter - 6, _HEAD + top + middle), name, colour, font=small, anchor="rm")
    return picture


def _row_names(roll: Roll, track: int, rows: tuple[int, int], height: int) -> Iterator[tuple[int, str]]:
    """Names of a track's rows and where their middles are: the Cs (C4 is MIDI pitch 60), or what the drums are.

    They keep clear of the track's own name above and of each other.
    """
    low, high = rows
    drum = roll.track_set.tracks[track].is_drum
    free = _TEXT + _SMALL // 2
    for row in range(high, low - 1, -1):
        pitch = roll.low + row
        name = _DRUM_NAMES.get(pitch, "") if drum else f"C{pitch // 12 - 1}" if pitch % 12 == 0 else ""
        middle = (high - row) * height + height // 2
        if name and free <= middle <= (high - low + 1) * height - _SMALL // 2 + 2:
            yield middle, name
            free = middle + _SMALL


def png(picture: Image) -> bytes:
    """A picture as a PNG file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def save_phrase(path: Path, roll: Roll) -> None:
    """Write a phrase's picture as PNG, whole or not at all."""
    write_bytes(path, png(draw_phrase(roll)))
