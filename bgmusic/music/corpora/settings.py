"""What a corpus is built with: all that decides about its content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.corpora.split import DEFAULT_SHARES, check_shares
from bgmusic.music.rolls.grid import MAX_RESOLUTION, steps_per_bar
from bgmusic.music.rolls.grid_fit import USABLE_BEAT
from bgmusic.music.rolls.roll import ENCODINGS, Encoding
from bgmusic.music.rolls.tracks import TrackSet

MAX_BARS = 64  # of a phrase
MAX_PHRASE_CELLS = 1 << 26


@dataclass(frozen=True)
class Settings:
    """Settings of a corpus.

    ``resolution`` is in steps a beat; ``bars`` is a phrase's length, ``hop`` the bars from one phrase to the
    next; ``metre`` (numerator, denominator) is that of every bar; a phrase needs ``min_tracks`` tracks (None:
    half of them, rounded up) that play at least one note; pieces with a smaller share of onsets near a step
    than ``min_grid_fit`` (``beat.grid_fit``) are left out; ``shares`` are those of train, validation and test.

    Raises:
        UserError: a value makes no sense.

    """

    track_set: TrackSet
    resolution: int
    bars: int = 4
    hop: int = 1
    encoding: Encoding = "onset"
    metre: tuple[int, int] = (4, 4)
    min_tracks: int | None = None
    min_grid_fit: float = USABLE_BEAT
    shares: tuple[float, float, float] = DEFAULT_SHARES

    def __post_init__(self) -> None:
        if self.min_tracks is None:
            object.__setattr__(self, "min_tracks", (len(self.track_set) + 1) // 2)
        if not 1 <= self.resolution <= MAX_RESOLUTION:
            raise UserError(f"resolution {self.resolution} is not within 1 to {MAX_RESOLUTION} steps a beat")
        if not 1 <= self.bars <= MAX_BARS:
            raise UserError(f"a phrase has 1 to {MAX_BARS} bars, not {self.bars}")
        if self.hop < 1:
            raise UserError(f"hop {self.hop} is below 1 bar")
        if self.encoding not in ENCODINGS:
            raise UserError(f"encoding {self.encoding!r} is none of {', '.join(ENCODINGS)}")
        if not 1 <= self.needed_tracks <= len(self.track_set):
            raise UserError(f"of {len(self.track_set)} tracks, {self.min_tracks} can't be demanded to play")
        if not 0 <= self.min_grid_fit <= 1:
            raise UserError(f"a grid fit is 0 to 1, not {self.min_grid_fit}")
        check_shares(self.shares)
        cells = self.bars * self.steps * self.track_set.pitches * len(self.track_set)
        if cells > MAX_PHRASE_CELLS:
            raise UserError(f"a phrase would have {cells:,} cells, more than {MAX_PHRASE_CELLS:,}")

    @property
    def steps(self) -> int:
        """Steps of a bar."""
        return steps_per_bar(self.metre, self.resolution)

    @property
    def needed_tracks(self) -> int:
        """How many tracks must play in a phrase."""
        return self.min_tracks or 0

    def starts(self, playing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where phrases may start in a passage, by its tracks ``playing`` (bars, tracks).

        Shape (bars - phrase bars + 1,), or (0,) of a passage that is shorter than a phrase.
        """
        count = max(0, len(playing) - self.bars + 1)
        heard = playing[:count].copy()
        for bar in range(1, self.bars):
            heard |= playing[bar : bar + count]
        allowed: NDArray[np.bool_] = heard.sum(axis=1) >= self.needed_tracks
        return allowed

    def hops(self, playing: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The first bars of a passage's phrases: every ``hop`` bars, where they may start."""
        allowed = np.flatnonzero(self.starts(playing))
        chosen: NDArray[np.int64] = allowed[allowed % self.hop == 0]
        return chosen

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values for JSON."""
        plain = {key: value for key, value in vars(self).items() if key != "track_set"}
        return plain | {"metre": list(self.metre), "shares": list(self.shares), "track_set": self.track_set.to_dict()}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Settings:
        """Read settings from plain values that nobody vouches for.

        Raises:
            UserError: a value is missing, of another type, or makes no sense.

        """
        try:
            metre, shares = values["metre"], values["shares"]
            numbers = [values[key] for key in ("resolution", "bars", "hop", "min_tracks")] + list(metre)
            if not all(type(number) is int for number in numbers):
                raise TypeError
            return Settings(
                track_set=TrackSet.from_dict(values["track_set"], "track_set"),
                resolution=values["resolution"],
                bars=values["bars"],
                hop=values["hop"],
                encoding=values["encoding"],
                metre=(metre[0], metre[1]),
                min_tracks=values["min_tracks"],
                min_grid_fit=float(values["min_grid_fit"]),
                shares=check_shares(tuple(float(share) for share in shares)),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(f"its settings are damaged: {error!r}") from None
