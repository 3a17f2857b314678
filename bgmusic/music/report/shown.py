"""A phrase as a page shows it: its picture, what it is in words, and its sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.pictures.phrase import draw_phrase, png
from bgmusic.music.pictures.raster import Rows
from bgmusic.music.rolls.roll import Roll
from bgmusic.training.report.page import data_uri

_RATE = 24_000  # Hz: half the size, and a preview still sounds like one
_MOST_SECONDS = 30.0
_BUDGET = 9_000_000  # characters of all sound in a page


@dataclass(frozen=True)
class Shown:
    """A phrase on a page: ``picture`` and ``sound`` (None: silent, or no room for it) are data URIs."""

    title: str
    note: str
    picture: str
    width: int
    height: int
    alt: str
    sound: str | None


class Sounds:
    """Makes the sound of phrases until a page has no room for more; ``missing`` says why there is none.

    ``seconds`` of each phrase are heard at most (None: 30).
    """

    def __init__(self, budget: int = _BUDGET, seconds: float | None = None) -> None:
        self._left, self._seconds = budget, seconds or _MOST_SECONDS
        self.missing = ""

    def of(self, roll: Roll) -> str | None:
        """The phrase as MP3 in a data URI, or None."""
        from bgmusic.music.sound import mp3_bytes, render

        if not len(roll.notes()) or self._left <= 0:
            return None
        try:
            sound = data_uri(mp3_bytes(render(roll, _RATE, seconds=self._seconds), _RATE), "audio/mpeg")
        except UserError as error:
            self.missing = str(error)
            return None
        if len(sound) > self._left:
            self.missing = "the page has no room for more sound"
            self._left = 0
            return None
        self._left -= len(sound)
        return sound


def show(
    roll: Roll,
    title: str,
    note: str = "",
    *,
    rows: Rows | None = None,
    sounds: Sounds | None = None,
    preactivated: NDArray[np.float32] | None = None,
) -> Shown:
    """A phrase, or its preactivated outputs, ready for a page."""
    picture = draw_phrase(roll, rows, preactivated=preactivated)
    alt = f"{title}: preactivated outputs" if preactivated is not None else f"{title}: piano-roll with {in_words(roll)}"
    sound = sounds.of(roll) if sounds else None
    return Shown(title, note, data_uri(png(picture), "image/png"), *picture.size, alt, sound)


def in_words(roll: Roll) -> str:
    """How many notes each track has."""
    counts = np.bincount(roll.notes()["track"].astype(np.int64), minlength=len(roll.track_set))
    named = zip(roll.track_set.tracks, counts.tolist(), strict=True)
    parts: Sequence[str] = [f"{track.name} {count}" for track, count in named if count]
    return f"notes: {', '.join(parts)}" if parts else "no notes"
