"""Many rolls on one sheet, small and quick to draw: what a training shows of its samples."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bgmusic.files import write_bytes
from bgmusic.music.pictures import colours
from bgmusic.music.pictures.raster import Rows, draw, used_rows
from bgmusic.music.rolls.roll import Roll

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP, _HEAD, _TEXT = 10, 18, 13
_WIDTH = 256  # pixels that a phrase of four bars should take
_MOST_PIXELS = 1 << 26


def draw_sheet(
    rolls: Sequence[Roll], columns: int = 4, rows: Rows | None = None, pixels: int = _MOST_PIXELS
) -> tuple[NDArray[np.uint8], int]:
    """Rolls of one shape side by side, as indices into ``colours.palette``: uint8 ``(H, W)``; and how many fitted.

    ``rows`` are those of each track that are shown, by default those with notes in any of the rolls.
    """
    rows = rows or used_rows(rolls)
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
    """Rolls of one shape side by side, the tracks' names above them in their colours; and how many fitted."""
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


def save_rolls(path: Path, rolls: Sequence[Roll], columns: int = 4) -> int:
    """Write ``sheet_picture`` as PNG, whole or not at all; returns how many rolls fitted on the sheet."""
    picture, shown = sheet_picture(rolls, columns)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
    return shown
