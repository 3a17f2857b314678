"""The size of a plan: tracks, bars, and beats of a bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bgmusic.errors import UserError
from bgmusic.music.rolls.shape import RollShape

CLASSES = 12
"""Pitch classes, C is 0."""
KEYS = 2 * CLASSES
"""Keys: 12 major ones, C is 0, then 12 minor ones."""
HARMONY = 2 * CLASSES
"""Bits of a beat's harmony: 12 sounding pitch classes, then 12 of the bass."""
LEVELS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Activity: bit i is on in a bar in which the track begins notes at LEVELS[i] steps or more."""
MAX_BARS = 1024
_MAX_FORM = 1 << 24  # booleans of one plan's form
_MAX_TRACKS = 64
_MAX_BEATS = 4096


@dataclass(frozen=True)
class PlanShape:
    """The size of a plan.

    Attributes:
        tracks: names of the tracks, each its own.
        drums: whether each track is drums, which carry no harmony.
        bars: number of bars.
        beats: beats of a bar (units of ``RollShape``: a quarter, or the longest part of one that divides the bar).

    Raises:
        TypeError: a value has another type.
        UserError: a number is out of range, or names are not unique.

    """

    tracks: tuple[str, ...]
    drums: tuple[bool, ...]
    bars: int
    beats: int

    def __post_init__(self) -> None:
        if not _all_are(self.tracks, str) or not _all_are(self.drums, bool):
            raise TypeError(f"tracks must be names, and drums booleans, not {self.tracks!r:.60} and {self.drums!r:.60}")
        if type(self.bars) is not int or type(self.beats) is not int:
            raise TypeError(f"bars and beats must be integers, not {self.bars!r:.40} and {self.beats!r:.40}")
        if not 1 <= len(self.tracks) <= _MAX_TRACKS or len(self.drums) != len(self.tracks):
            raise UserError(f"a plan has 1 to {_MAX_TRACKS} tracks, and drums for each, not {len(self.tracks)}")
        if len(set(self.tracks)) < len(self.tracks) or not all(self.tracks):
            raise UserError("every track of a plan needs a name of its own")
        if not 1 <= self.bars <= MAX_BARS:
            raise UserError(f"a plan has 1 to {MAX_BARS} bars, not {self.bars}")
        if not 1 <= self.beats <= _MAX_BEATS:
            raise UserError(f"a bar of a plan has 1 to {_MAX_BEATS} beats, not {self.beats}")
        if len(self.tracks) * self.bars**2 > _MAX_FORM or self.bars * self.beats * HARMONY > _MAX_FORM:
            raise UserError(f"a plan of {len(self.tracks)} tracks, {self.bars} bars of {self.beats} beats is too large")

    @staticmethod
    def of(shape: RollShape, bars: int | None = None) -> PlanShape:
        """Return the size of plans for rolls of a shape; ``bars`` in place of a phrase's."""
        names = tuple(track.name for track in shape.track_set.tracks)
        return PlanShape(names, shape.drums, shape.bars if bars is None else bars, shape.beats)

    def with_bars(self, bars: int) -> PlanShape:
        """Return the size with another number of bars.

        Raises:
            UserError: the number is out of range.

        """
        return replace(self, bars=bars)

    @property
    def pitched(self) -> tuple[int, ...]:
        """The numbers of the tracks that are not drums."""
        return tuple(number for number, drum in enumerate(self.drums) if not drum)

    @property
    def arrays(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array of a plan, by its name."""
        tracks, bars = len(self.tracks), self.bars
        return {
            "form": (tracks, bars, bars),
            "instruments": (tracks, bars),
            "harmony": (bars * self.beats, HARMONY),
            "activity": (tracks, bars, len(LEVELS)),
            "form_known": (tracks, bars),
            "instruments_known": (tracks, bars),
            "harmony_known": (bars * self.beats,),
            "activity_known": (tracks, bars),
            "key": (1, KEYS),
            "key_known": (1,),
        }


def _all_are(values: Sequence[object], kind: type) -> bool:
    return isinstance(values, tuple) and all(type(value) is kind for value in values)
