"""Find the key of a roll, and spell its pitches in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.song import Table
from bgmusic.music.rolls.interop.keys import fifths_of_root

_CLASSES, _OCTAVE = 12, 12
_LETTERS = "FCGDAEB"  # in the order of fifths; C is 0
_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FLATTEST = {False: -3, True: -2}
"""The flattest of twelve names, in fifths from C, by whether the key is minor: E flat in C major, B flat in A minor."""


@dataclass(frozen=True)
class Key:
    """A key.

    Attributes:
        fifths: sharps (positive) or flats (negative) of its signature, -5 to 6.
        minor: whether it is minor.

    """

    fifths: int
    minor: bool


def key_of(notes: Table, pitched: NDArray[np.bool_], major: list[float], minor: list[float]) -> Key:
    """Return the key whose profile correlates best with the durations of the pitch classes (Krumhansl, 1990).

    Args:
        notes: dtype ``STEP_NOTE``.
        pitched: boolean ``(notes,)``, False for drums.
        major: weight of the twelve pitch classes in C major, C first.
        minor: the same for C minor.

    Returns:
        The key; C major for silence, and if all pitch classes last equally long.

    """
    chosen = notes[pitched]
    profile = np.bincount(chosen["pitch"] % _CLASSES, weights=chosen["duration"], minlength=_CLASSES)
    if np.ptp(profile) == 0:
        return Key(0, False)
    references = [np.roll(weights, tonic) for weights in (major, minor) for tonic in range(_CLASSES)]
    scores = np.array([np.corrcoef(profile, reference)[0, 1] for reference in references])
    best = int(scores.argmax())
    is_minor = best >= _CLASSES
    return Key(fifths_of_root(best % _CLASSES, is_minor), is_minor)


def spell(pitch: int, key: Key) -> str:
    """Return the name of a MIDI pitch in a key, such as ``"C4"``, ``"F#4"`` or ``"B-3"`` (a flat is ``-``).

    Each pitch class has one name in a key, twelve neighbours on the line of fifths: in C major E flat to G sharp, in A
    minor B flat to D sharp.
    """
    flattest = key.fifths + _FLATTEST[key.minor]
    fifths = flattest + (pitch * 7 - flattest) % _CLASSES
    letter = _LETTERS[(fifths + 1) % 7]
    alter = (fifths + 1) // 7
    octave = (pitch - alter - _NATURAL[letter]) // _OCTAVE - 1
    return f"{letter}{'#' * alter}{'-' * -alter}{octave}"
