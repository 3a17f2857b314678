"""Check arguments of a composer's methods."""

from __future__ import annotations

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.midi.song import PLAYABLE_BPM


def check_bpm(bpm: float | None) -> None:
    """Check that a tempo is None or within ``PLAYABLE_BPM``.

    Raises:
        TypeError: it is no number.
        UserError: it is out of range.

    """
    if bpm is not None and (isinstance(bpm, bool) or not isinstance(bpm, int | float | np.number)):
        raise TypeError(f"bpm must be a number, not {bpm!r}")
    low, high = PLAYABLE_BPM
    if bpm is not None and not low <= bpm <= high:
        raise UserError(f"bpm must be from {low:g} to {high:g} beats per minute, not {bpm:g}")


def check_count(name: str, value: int, least: int = 1) -> None:
    """Check that a value is a whole number of ``least`` or more.

    Raises:
        TypeError: it is no integer.
        UserError: it is smaller.

    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:
        raise (UserError if whole else TypeError)(f"{name} is a whole number of {least} or more, not {value!r}")


def check_seed(seed: int) -> None:
    """Check that a seed is a whole number from 0 to 2^63 - 1.

    Raises:
        TypeError: it is no integer.
        UserError: it is out of range.

    """
    check_count("seed", seed, 0)
    if seed >= 2**63:
        raise UserError(f"seed is a whole number from 0 to 2^63 - 1, not {seed!r}")


def check_draws(n: int, seed: int, first: int) -> None:
    """Check how many pieces are drawn by a seed, and from which number on.

    Raises:
        TypeError: a number is no integer.
        UserError: it is out of range.

    """
    check_count("n", n)
    check_seed(seed)
    check_count("first", first, 0)


def check_flags(**flags: object) -> None:
    """Check that arguments are True or False.

    Raises:
        TypeError: one is not; the message names it.

    """
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise TypeError(f"{name} must be True or False, not {flag!r}")


def check_texts(**texts: object) -> None:
    """Check that arguments are text, or None.

    Raises:
        TypeError: one is not; the message names it.

    """
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{name} must be a string, not {type(text).__name__}")
