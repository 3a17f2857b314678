"""Show a phrase on a page: its picture, a description, and its sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.pictures.phrase import draw_phrase, png
from bgmusic.music.pictures.raster import Rows
from bgmusic.music.rolls.roll import Roll
from bgmusic.training.report.page import data_uri

MAX_SECONDS = 30.0
"""Longest sound of a phrase."""
_RATE = 24_000  # Hz: half the file size at sufficient quality for a preview
_MAX_CHARACTERS = 9_000_000  # of all sound in a page


@dataclass(frozen=True)
class PhraseFigure:
    """A phrase on a page.

    Attributes:
        title: heading.
        note: caption, or empty.
        picture: PNG as a data URI.
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        alt: description of the picture.
        sound: MP3 as a data URI; None for silence, or if the page has no room for it.

    """

    title: str
    note: str
    picture: str
    width: int
    height: int
    alt: str
    sound: str | None


class PhraseSounds:
    """Render phrases to MP3 data URIs until the page's budget is used up.

    Args:
        budget: characters of all data URIs together.
        seconds: longest sound of a phrase; 30 by default.

    Attributes:
        missing: why a phrase has no sound; empty if none is missing.

    """

    def __init__(self, budget: int = _MAX_CHARACTERS, seconds: float | None = None) -> None:
        self._left, self._seconds = budget, seconds or MAX_SECONDS
        self.missing = ""

    def render(self, roll: Roll) -> str | None:
        """Return the phrase as MP3 in a data URI; None for silence, or if there is no room left."""
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


def make_figure(
    roll: Roll,
    title: str,
    note: str = "",
    *,
    rows: Rows | None = None,
    sounds: PhraseSounds | None = None,
    preactivated: NDArray[np.float32] | None = None,
    marks: NDArray[np.float32] | None = None,
) -> PhraseFigure:
    """Make the figure of a phrase, or of its preactivated outputs ``(tracks, bars, steps, pitches)``.

    Args:
        roll: the phrase.
        title: heading.
        note: caption.
        rows: rows of each track to draw; by default those that are used.
        sounds: renders the sound; None for a figure without sound.
        preactivated: drawn in place of the phrase's cells.
        marks: bars of tracks to mark, see ``draw_phrase``.

    """
    picture = draw_phrase(roll, rows, preactivated=preactivated, marks=marks)
    shown = "preactivated outputs" if preactivated is not None else f"piano-roll with {describe(roll)}"
    sound = sounds.render(roll) if sounds else None
    return PhraseFigure(title, note, data_uri(png(picture), "image/png"), *picture.size, f"{title}: {shown}", sound)


def describe(roll: Roll) -> str:
    """Return the number of notes of each track in words."""
    counts = np.bincount(roll.notes()["track"].astype(np.int64), minlength=len(roll.track_set))
    named = zip(roll.track_set.tracks, counts.tolist(), strict=True)
    parts = [f"{track.name} {count}" for track, count in named if count]
    return f"notes: {', '.join(parts)}" if parts else "no notes"
