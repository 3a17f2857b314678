"""Animate a training: the phrases of the same noise after more and more updates."""

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
from bgmusic.music.pictures.raster import require_alike, used_rows
from bgmusic.music.pictures.sheet import draw_sheet
from bgmusic.music.rolls.roll import Roll

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {".gif": "GIF", ".png": "PNG", ".webp": "WEBP"}

_MAX_FRAMES = 60
_FRAME_MS, _LAST_MS = 200, 3000
_HEAD, _TEXT = 26, 18
_MAX_PIXELS = 1 << 20  # of a frame


def timelapse(frames: Sequence[tuple[int, Sequence[Roll]]], kind: str = "GIF", columns: int = 2) -> bytes:
    """Return the content of an animation file; it loops forever.

    Args:
        frames: pairs of a number of updates and rolls; all rolls of one shape. Of more than 60 frames, 60 are kept,
            evenly spaced.
        kind: ``GIF``, ``PNG`` (animated) or ``WEBP``.
        columns: rolls per line.

    Raises:
        UserError: no frames, another kind, or rolls of different shapes.

    """
    if kind not in FORMATS.values():
        raise UserError(f"kind must be one of {', '.join(FORMATS.values())}, not {kind!r}")
    if not frames:
        raise UserError("a timelapse needs at least one frame of samples")
    require_alike([roll for _, rolls in frames for roll in rolls])
    if len(frames) > _MAX_FRAMES:
        frames = [frames[round(place)] for place in np.linspace(0, len(frames) - 1, _MAX_FRAMES)]
    rows = used_rows([roll for _, rolls in frames for roll in rolls])
    pictures = [_frame(step, draw_sheet(rolls, columns, rows, _MAX_PIXELS)[0], rolls[0]) for step, rolls in frames]
    if kind == "WEBP":
        pictures = [picture.convert("RGB") for picture in pictures]
    durations = [_FRAME_MS] * (len(pictures) - 1) + [_LAST_MS]
    buffer = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    pictures[0].save(buffer, kind, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options)
    return buffer.getvalue()


def _frame(step: int, cells: NDArray[np.uint8], roll: Roll) -> Image:
    """Add the number of updates above a sheet."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(np.pad(cells, ((_HEAD, 0), (0, 0)), constant_values=colours.PAPER))
    picture.putpalette(colours.palette([track.is_drum for track in roll.track_set.tracks]).tobytes())
    pen = ImageDraw.Draw(picture)
    pen.font = ImageFont.load_default(_TEXT)
    pen.text((10, 4), f"update {step:,}", colours.INK)
    return picture


def save_timelapse(path: str | Path, frames: Sequence[tuple[int, Sequence[Roll]]]) -> None:
    """Write an animation in the format of its suffix: ``.gif``, ``.png`` or ``.webp`` (atomic write).

    Raises:
        UserError: another suffix, no frames, or rolls of different shapes.
        OSError: the file cannot be written.

    """
    kind = FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise UserError(f"{path}: the suffix of a timelapse must be one of {', '.join(FORMATS)}")
    write_bytes(path, timelapse(frames, kind))
