"""The shape of a phrase: tracks, resolution, bars, steps of a bar, and encoding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from bgmusic.errors import UserError
from bgmusic.music.midi.song import PLAYABLE_BPM, metre_of
from bgmusic.music.rolls.checks import MAX_RESOLUTION
from bgmusic.music.rolls.encodings import Encoding
from bgmusic.music.rolls.metre import require_bar
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.yaml import Config

MAX_BARS = 64
MAX_STEPS = 4096
_MAX_CELLS = 1 << 26  # of a phrase; the papers' have 258,048


def _track_set(value: Any) -> Any:
    if isinstance(value, TrackSet):
        return value
    return TrackSet.load(value) if isinstance(value, str) else TrackSet.from_dict(value)


class RollShape(Config):
    """The shape of the phrases that a network generates and scores."""

    track_set: Annotated[TrackSet, BeforeValidator(_track_set)]
    """The tracks: the name of a track set (`lpd-5`, `lpd-8`, `pop909`, `satb`), or the keys of one."""
    resolution: Annotated[int, Field(ge=1, le=MAX_RESOLUTION)]
    """Steps per beat."""
    bars: Annotated[int, Field(ge=1, le=MAX_BARS)]
    """Bars of a phrase."""
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)]
    """Steps per bar."""
    encoding: Encoding
    """`onset` (cells and a plane of onsets, lossless) or `pause` (the papers')."""
    metre: tuple[int, int] | None = None
    """Time signature of the bars; by default guessed from their length, in quarters if possible."""
    bpm: Annotated[float, Field(ge=PLAYABLE_BPM[0], le=PLAYABLE_BPM[1])] | None = None
    """Tempo of generated music in beats (quarter notes) per minute: the median of the corpus; by default unknown."""

    @model_validator(mode="after")
    def _check_size(self) -> RollShape:
        if self.cells > _MAX_CELLS:
            raise ValueError(
                f"a phrase has {self.cells:,} cells, at most {_MAX_CELLS:,} are allowed: reduce bars, steps or tracks"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _guess_metre(cls, values: Any) -> Any:
        """Fill in the metre of configs that have none, so that equal shapes compare equal."""
        if isinstance(values, Mapping) and values.get("metre") is None:
            steps, resolution = values.get("steps"), values.get("resolution")
            if isinstance(steps, int) and isinstance(resolution, int) and resolution > 0:
                return {**values, "metre": metre_of(steps, resolution)}
        return values

    @model_validator(mode="after")
    def _check_metre(self) -> RollShape:
        try:
            if self.metre is not None:
                require_bar(self.metre, self.resolution, self.steps)
        except UserError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def cells(self) -> int:
        """Cells of a phrase, without its onset plane."""
        return len(self.track_set) * self.bars * self.steps * self.track_set.pitches

    @property
    def pitches(self) -> int:
        """Rows of pitches."""
        return self.track_set.pitches

    @property
    def drums(self) -> tuple[bool, ...]:
        """Whether each track is drums."""
        return tuple(track.is_drum for track in self.track_set.tracks)

    @property
    def planes(self) -> int:
        """2 with the onset plane of the lossless encoding, else 1."""
        return 2 if self.encoding == "onset" else 1

    @property
    def channels(self) -> int:
        """Channels of a roll as networks see it: cells of all tracks, then their onsets."""
        return self.planes * len(self.track_set)

    @property
    def unit(self) -> int:
        """Steps of a unit: a beat, or the longest part of one that divides the bar (7/8, say)."""
        return math.gcd(self.steps, self.resolution)

    @property
    def beats(self) -> int:
        """Units of a bar."""
        return self.steps // self.unit
