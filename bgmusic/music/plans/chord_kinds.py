"""Kinds of chords: names and intervals above the root, and the cost of each in recognition."""

from __future__ import annotations

INTERVALS: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "5": (0, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "m(maj7)": (0, 3, 7, 11),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7sus4": (0, 5, 7, 10),
    "aug7": (0, 4, 8, 10),
    "7b5": (0, 4, 6, 10),
    "add9": (0, 2, 4, 7),
    "madd9": (0, 2, 3, 7),
    "add11": (0, 4, 5, 7),
    "9": (0, 2, 4, 7, 10),
    "m9": (0, 2, 3, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "9sus4": (0, 2, 5, 7, 10),
    "7b9": (0, 1, 4, 7, 10),
    "7#9": (0, 3, 4, 7, 10),
    "7#11": (0, 4, 6, 7, 10),
    "9#11": (0, 2, 4, 6, 7, 10),
    "7b9#11": (0, 1, 4, 6, 7, 10),
    "maj7#11": (0, 4, 6, 7, 11),
    "6/9": (0, 2, 4, 7, 9),
    "m11": (0, 2, 3, 5, 7, 10),
    "11": (0, 2, 4, 5, 7, 10),
    "13": (0, 2, 4, 5, 7, 9, 10),
}
"""Semitones above the root, by the name that follows the root's ("m7" of "Am7"). The order is that of preference."""

COSTS = {
    "": 0.0,
    "m": 0.0,
    "dim": 0.1,
    "aug": 0.4,
    "sus4": 0.6,
    "sus2": 0.7,
    "5": 0.35,
    "7": 0.6,
    "m7": 0.6,
    "maj7": 0.6,
    "m7b5": 0.6,
    "dim7": 0.6,
}
"""Kinds that recognition knows, and the cost of each: triads are preferred where notes are few."""
