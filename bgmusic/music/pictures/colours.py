"""Colours of tracks and of the grid behind them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

# Okabe and Ito's, which the colour-blind tell apart too; drums are grey, and tracks beyond the list begin again.
_TRACKS = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (140, 81, 10),
    (118, 42, 131),
)
_DRUMS = (110, 110, 110)

PAPER, BLACK_KEY, BEAT, OCTAVE, BAR, INK = range(6)
_GRID = ((255, 255, 255), (246, 247, 249), (232, 234, 238), (205, 210, 218), (130, 138, 150), (40, 44, 52))
_FIRST = len(_GRID)  # of the tracks' pairs


def held(track: int) -> int:
    """The palette's index of what a track holds; that of its onsets is the next."""
    return _FIRST + 2 * track


def palette(drums: list[bool]) -> NDArray[np.uint8]:
    """The grid's colours, and of each track one for held notes and one, darker, for onsets: uint8 ``(colours, 3)``."""
    colours = list(_GRID)
    pitched = 0
    for drum in drums:
        colour = _DRUMS if drum else _TRACKS[pitched % len(_TRACKS)]
        pitched += not drum
        colours += [lighter(colour, 0.35), darker(colour, 0.35)]
    return np.array(colours, np.uint8)


def lighter(colour: Colour, by: float) -> Colour:
    """A colour nearer to white by a share."""
    red, green, blue = (round(part + (255 - part) * by) for part in colour)
    return red, green, blue


def darker(colour: Colour, by: float) -> Colour:
    """A colour nearer to black by a share."""
    red, green, blue = (round(part * (1 - by)) for part in colour)
    return red, green, blue
