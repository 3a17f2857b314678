"""Convert key signatures between sharps and flats, root notes, and pretty_midi's numbers."""

from __future__ import annotations

_MAX_FIFTHS = 7
_LETTERS = "FCGDAEB"  # in the order of fifths


def fifths_of_root(root: int, minor: bool) -> int:
    """Return the sharps (positive) or flats (negative) of a key.

    Args:
        root: pitch class of the tonic, 0 (C) to 11.
        minor: whether the key is minor.

    Returns:
        -5 to 6: of two spellings of a key, the one with fewer accidentals; F sharp major and D sharp minor have 6.

    """
    return ((root + 3 * minor) * 7 + 5) % 12 - 5


def fifths_of_name(name: str, minor: bool) -> int | None:
    """Return the sharps or flats of a key with the tonic ``name``, such as ``"Bb"`` or ``"F#"``; None if unknown."""
    letter, accidentals = name[:1].upper(), name[1:]
    if not letter or letter not in _LETTERS or accidentals.strip("#b-"):
        return None
    shift = accidentals.count("#") - accidentals.count("b") - accidentals.count("-")
    fifths = _LETTERS.index(letter) - 1 + 7 * shift - 3 * minor
    return fifths if abs(fifths) <= _MAX_FIFTHS else None


def root_of_fifths(fifths: int, minor: bool) -> int:
    """Return the pitch class of the tonic of a key with ``fifths`` sharps (positive) or flats (negative)."""
    return (7 * fifths + 9 * minor) % 12
