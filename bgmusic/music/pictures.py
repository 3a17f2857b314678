"""Pictures of rolls: tracks below one another, time to the right, pitch upwards."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bgmusic.files import write_bytes
from bgmusic.music.roll import Roll

_ONSET, _HELD, _PAPER, _LINE, _GAP = 0, 96, 255, 208, 8
_MOST_PIXELS = 1 << 26


def draw_roll(roll: Roll) -> NDArray[np.uint8]:
    """One roll, a pixel a cell: grey uint8 ``(tracks * (pitches + 1) + 1, bars * (steps + 1) + 1)``.

    Onsets are black, held cells grey; fine lines part the bars and the tracks.
    """
    tracks, bars, steps, pitches = roll.cells.shape
    picture = np.full((tracks, bars, pitches + 1, steps + 1), _LINE, np.uint8)
    inside = np.full(roll.cells.shape, _PAPER, np.uint8)
    # Without a plane of onsets, the first cell of a run begins a note.
    flat = roll.cells.reshape(tracks, bars * steps, pitches)
    begins = flat.copy()
    begins[:, 1:] &= ~flat[:, :-1]
    onsets = begins.reshape(roll.cells.shape) if roll.onsets is None else roll.onsets
    inside[roll.cells] = _HELD
    inside[onsets] = _ONSET
    picture[:, :, 1:, 1:] = inside.transpose(0, 1, 3, 2)[:, :, ::-1]
    sheet = picture.transpose(0, 2, 1, 3).reshape(tracks * (pitches + 1), bars * (steps + 1))
    return np.pad(sheet, ((0, 1), (0, 1)), constant_values=_LINE)


def save_rolls(path: Path, rolls: Sequence[Roll], columns: int = 4, zoom: int = 2) -> int:
    """Write rolls of one shape side by side as PNG, whole or not at all; returns how many fitted on the sheet."""
    from PIL import Image

    panels = [draw_roll(rolls[0])]
    height, width = (size * zoom + _GAP for size in panels[0].shape)
    shown: int = min(len(rolls), max(1, _MOST_PIXELS // (height * width)))
    panels += [draw_roll(roll) for roll in rolls[1:shown]]
    columns = min(columns, shown)
    sheet = np.full((-(-shown // columns) * height + _GAP, columns * width + _GAP), _PAPER, np.uint8)
    for number, panel in enumerate(panels):
        top, left = number // columns * height + _GAP, number % columns * width + _GAP
        sheet[top : top + height - _GAP, left : left + width - _GAP] = panel.repeat(zoom, 0).repeat(zoom, 1)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG", optimize=True)
    write_bytes(path, buffer.getvalue())
    return shown
