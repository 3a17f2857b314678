"""A training seen in motion: the same noise's phrases, update after update."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
from bgmusic.music.pictures import colours
from bgmusic.music.pictures.raster import used_rows
from bgmusic.music.pictures.sheet import draw_sheet
from bgmusic.music.rolls.roll import Roll

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {".gif": "GIF", ".png": "PNG", ".webp": "WEBP"}

_MOST_FRAMES = 60
_FRAME_MS, _LAST_MS = 200, 3000
_HEAD, _TEXT = 26, 18
_MOST_PIXELS = 1 << 20  # of a frame


def timelapse(frames: Sequence[tuple[int, Sequence[Roll]]], kind: str = "GIF", columns: int = 2) -> bytes:
    """An animation's bytes: ``frames`` are numbers of updates, each with rolls of one shape.

    At most 60 frames, evenly spread; all show the same rows. ``kind`` is ``GIF``, ``PNG`` (animated) or ``WEBP``. It
    begins again when it ends.

    Raises:
        UserError: there are no frames.

    """
    if not frames:
        raise UserError("no samples to make a timelapse of")
    if len(frames) > _MOST_FRAMES:
        frames = [frames[round(place)] for place in np.linspace(0, len(frames) - 1, _MOST_FRAMES)]
    rows = used_rows([roll for _, rolls in frames for roll in rolls])
    pictures = [_frame(step, draw_sheet(rolls, columns, rows, _MOST_PIXELS)[0], rolls[0]) for step, rolls in frames]
    if kind == "WEBP":
        pictures = [picture.convert("RGB") for picture in pictures]
    durations = [_FRAME_MS] * (len(pictures) - 1) + [_LAST_MS]
    buffer = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    pictures[0].save(buffer, kind, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options)
    return buffer.getvalue()


def _frame(step: int, cells: NDArray[np.uint8], roll: Roll) -> Image:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(np.pad(cells, ((_HEAD, 0), (0, 0)), constant_values=colours.PAPER))
    picture.putpalette(colours.palette([track.is_drum for track in roll.track_set.tracks]).tobytes())
    pen = ImageDraw.Draw(picture)
    pen.font = ImageFont.load_default(_TEXT)
    pen.text((10, 4), f"update {step:,}", colours.INK)
    return picture


def save_timelapse(path: Path, frames: Sequence[tuple[int, Sequence[Roll]]]) -> None:
    """Write an animation, whole or not at all; the path's ending says of which kind: gif, png or webp.

    Raises:
        UserError: it ends otherwise, or there are no frames.

    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"{path}: a timelapse is one of {', '.join(FORMATS)}")
    write_bytes(path, timelapse(frames, kind))
