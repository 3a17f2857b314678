"""Choose the colours of tracks and of the grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

# The palette of Okabe and Ito, distinct for colour-blind readers too. Drums are grey; the palette repeats.
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
MARK = (220, 38, 38)
"""Colour of marked bars."""

PAPER, BLACK_KEY, BEAT, OCTAVE, BAR, INK = range(6)
_GRID = ((255, 255, 255), (246, 247, 249), (232, 234, 238), (205, 210, 218), (130, 138, 150), (40, 44, 52))
_FIRST = len(_GRID)  # index of the first track's pair of colours


def held(track: int) -> int:
    """Return the palette index of a track's held cells; the next index is that of its onsets."""
    return _FIRST + 2 * track


def palette(drums: list[bool]) -> NDArray[np.uint8]:
    """Return the colours of the grid, then two per track: held cells and, darker, onsets.

    Args:
        drums: for each track, whether it is a drum track.

    Returns:
        RGB, uint8 ``(colours, 3)``.

    """
    colours = list(_GRID)
    pitched = 0
    for drum in drums:
        colour = _DRUMS if drum else _TRACKS[pitched % len(_TRACKS)]
        pitched += not drum
        colours += [lighter(colour, 0.35), darker(colour, 0.35)]
    return np.array(colours, np.uint8)


def lighter(colour: Colour, by: float) -> Colour:
    """Mix a colour with white; ``by`` is the share of white, 0 to 1."""
    red, green, blue = (round(part + (255 - part) * by) for part in colour)
    return red, green, blue


def darker(colour: Colour, by: float) -> Colour:
    """Mix a colour with black; ``by`` is the share of black, 0 to 1."""
    red, green, blue = (round(part * (1 - by)) for part in colour)
    return red, green, blue
