"""Draw several rolls on one sheet, at a few pixels per step: samples of a training, lines of a long piece."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
from bgmusic.music.pictures import colours
from bgmusic.music.pictures.phrase import draw_phrase, png
from bgmusic.music.pictures.raster import Rows, draw, require_alike, require_rows, used_rows
from bgmusic.music.rolls.joining import split_lines
from bgmusic.music.rolls.roll import Roll

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP, _HEAD, _TEXT = 10, 18, 13
_WIDTH = 256  # target width of a phrase of four bars in pixels
_MAX_PIXELS = 1 << 26
_PHRASE = 8  # bars: longer rolls are drawn as a sheet of lines
_LINE = 16  # bars of a line at most


def draw_sheet(
    rolls: Sequence[Roll], columns: int = 4, rows: Rows | None = None, pixels: int = _MAX_PIXELS
) -> tuple[NDArray[np.uint8], int]:
    """Draw rolls of one shape in a grid of panels, without text.

    Args:
        rolls: rolls of one shape and track set; at least one.
        columns: panels per line.
        rows: pitch rows to show per track; by default those with notes in any of the rolls.
        pixels: upper bound of the sheet's area; rolls that do not fit are left out.

    Returns:
        Indices into ``colours.palette``, uint8 ``(H, W)``, and the number of rolls drawn.

    Raises:
        UserError: no rolls, rolls of different shapes, or rows or columns out of range.

    """
    require_alike(rolls)
    if columns < 1:
        raise UserError(f"columns must be at least 1, not {columns}")
    rows = used_rows(rolls) if rows is None else require_rows(rows, rolls[0])
    width = max(1, round(_WIDTH / 4 / rolls[0].steps))
    height = 3 if sum(high - low + 1 for low, high in rows) < 200 else 2
    panels = [draw(rolls[0], rows, width, height)]
    high, wide = (size + _GAP for size in panels[0].shape)
    shown = min(len(rolls), max(1, pixels // (high * wide)))
    panels += [draw(roll, rows, width, height) for roll in rolls[1:shown]]
    columns = min(columns, shown)
    sheet = np.full((-(-shown // columns) * high + _GAP, columns * wide + _GAP), colours.PAPER, np.uint8)
    for number, panel in enumerate(panels):
        top, left = number // columns * high + _GAP, number % columns * wide + _GAP
        sheet[top : top + high - _GAP, left : left + wide - _GAP] = panel
        sheet[top - 1, left : left + wide - _GAP] = colours.BAR
        sheet[top - 1 : top + high - _GAP, left + wide - _GAP] = colours.BAR
    return sheet, shown


def sheet_picture(rolls: Sequence[Roll], columns: int = 4, rows: Rows | None = None) -> tuple[Image, int]:
    """Draw rolls of one shape in a grid, below a legend of the track names in their colours.

    The arguments and errors are those of :func:`draw_sheet`.

    Returns:
        The image (palette mode) and the number of rolls drawn.

    """
    from PIL import Image, ImageDraw, ImageFont

    cells, shown = draw_sheet(rolls, columns, rows)
    tracks = rolls[0].track_set.tracks
    picture = Image.fromarray(np.pad(cells, ((_HEAD, 0), (0, 0)), constant_values=colours.PAPER))
    picture.putpalette(colours.palette([track.is_drum for track in tracks]).tobytes())
    pen = ImageDraw.Draw(picture)
    pen.font = ImageFont.load_default(_TEXT)
    left: float = _GAP
    for number, track in enumerate(tracks):
        name = " ".join(track.name.split())[:20]
        if left + pen.textlength(name) > picture.width:
            break
        pen.text((left, 6), name, colours.held(number) + 1)
        left += pen.textlength(name) + _GAP
    return picture, shown


def save_rolls(path: str | Path, rolls: Sequence[Roll], columns: int = 4) -> int:
    """Write rolls of one shape as one PNG file (atomic write); return the number of rolls drawn.

    Raises:
        UserError: no rolls, rolls of different shapes, or ``columns`` below 1.
        OSError: the file cannot be written.

    """
    picture, shown = sheet_picture(rolls, columns)
    write_bytes(path, png(picture))
    return shown


def png_bytes(roll: Roll) -> bytes:
    """Return the picture of one roll as the content of a PNG file.

    Up to 8 bars are drawn large, with the names of tracks and notes (:func:`draw_phrase`); a longer roll is drawn
    small, in lines of equal length of at most 16 bars (:func:`sheet_picture`) with the number of their first bar.

    Raises:
        UserError: ``roll`` is not a ``Roll``.

    """
    require_alike([roll])
    if roll.bars <= _PHRASE:
        return png(draw_phrase(roll))
    count = -(-roll.bars // _LINE)
    bars = -(-roll.bars // count)
    return png(_numbered(*sheet_picture(split_lines(roll, bars), columns=1), bars))


def _numbered(picture: Image, lines: int, bars: int) -> Image:
    """Write the number of its first bar to the left of each line of ``bars`` bars."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(_TEXT)
    gutter = round(font.getlength(str(lines * bars))) + _GAP
    wide = Image.new("P", (gutter + picture.width, picture.height), colours.PAPER)
    wide.putpalette(picture.getpalette() or [])
    wide.paste(picture, (gutter, 0))
    pen = ImageDraw.Draw(wide)
    pen.font = font
    for line in range(lines):
        top = _HEAD + _GAP + line * (picture.height - _HEAD - _GAP) // lines
        pen.text((gutter, top), str(line * bars + 1), colours.INK, anchor="ra")
    return wide


def save_roll(path: str | Path, roll: Roll) -> None:
    """Write the picture of one roll as PNG (atomic write): see :func:`png_bytes`.

    Raises:
        UserError: ``roll`` is not a ``Roll``.
        OSError: the file cannot be written.

    """
    write_bytes(path, png_bytes(roll))
