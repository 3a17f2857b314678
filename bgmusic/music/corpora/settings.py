"""The settings that a corpus is built with: everything that determines its content, besides its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.corpora.split import DEFAULT_SHARES, check_shares
from bgmusic.music.midi.pedal import with_pedal
from bgmusic.music.midi.song import COMMON_TIME, Song
from bgmusic.music.rolls.encodings import Encoding
from bgmusic.music.rolls.grid import StepNotes, quantise
from bgmusic.music.rolls.grid_fit import USABLE_BEAT
from bgmusic.music.rolls.metre import require_bar, steps_per_bar
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.yaml import validate

_NUMBERS = ("resolution", "bars", "hop", "min_tracks")


@dataclass(frozen=True)
class Settings:
    """Settings of a corpus. ``Settings.create`` makes them from a track set and a resolution.

    Args:
        shape: tracks, resolution, bars, steps of a bar, and encoding of every phrase.
        hop: bars from the start of one phrase to the start of the next.
        metre: time signature (numerator, denominator) of every bar, and the default for files without one. None: any
            whose bars have the steps of ``shape``; each phrase has bars of one metre, and files without one are in 4/4.
        join: join shorter bars, such as 2/4, to bars of ``metre``; see ``rolls.metre.join_bars``.
        pedal: notes of MIDI files last as they sound under the sustain pedal; see ``midi.pedal.sounding_ends``.
        min_tracks: number of tracks that must play at least one note in a phrase; None means half, rounded up.
        min_grid_fit: pieces with a lower ``grid_fit`` (share of onsets near a grid, 0 to 1) are skipped.
        shares: shares of the train, validation and test splits.

    Raises:
        TypeError: ``metre`` is not a pair of integers.
        UserError: another value is of the wrong type or out of range.

    """

    shape: RollShape
    hop: int = 1
    metre: tuple[int, int] | None = COMMON_TIME
    min_tracks: int | None = None
    min_grid_fit: float = USABLE_BEAT
    shares: tuple[float, float, float] = DEFAULT_SHARES
    join: bool = False
    pedal: bool = False

    def __post_init__(self) -> None:
        tracks = len(self.shape.track_set)
        if self.min_tracks is None:
            object.__setattr__(self, "min_tracks", (tracks + 1) // 2)
        if type(self.hop) is not int or self.hop < 1:
            raise UserError(f"hop {self.hop!r} is not a whole number of bars, 1 or more")
        if type(self.min_tracks) is not int or not 1 <= self.min_tracks <= tracks:
            raise UserError(f"min_tracks {self.min_tracks!r} is not within 1 to {tracks}, the number of tracks")
        if not isinstance(self.min_grid_fit, (int, float)) or not 0 <= self.min_grid_fit <= 1:
            raise UserError(f"min_grid_fit {self.min_grid_fit!r} is not within 0 to 1")
        check_shares(self.shares)
        if self.metre is not None:
            metre = require_bar(self.metre, self.shape.resolution, self.shape.steps)
            object.__setattr__(self, "shape", self.shape.model_copy(update={"metre": metre}))
        elif self.join:
            raise UserError("bars are joined to a given metre, such as 4/4, not to any metre")

    @classmethod
    def create(
        cls,
        track_set: TrackSet,
        resolution: int,
        *,
        bars: int = 4,
        encoding: Encoding = "onset",
        metre: tuple[int, int] = COMMON_TIME,
        any_metre: bool = False,
        **options: Any,
    ) -> Settings:
        """Make settings whose shape follows from a track set, a resolution (steps per beat) and a metre.

        ``any_metre`` allows all metres whose bars are as long as those of ``metre``. ``options`` are the other fields:
        ``hop``, ``min_tracks``, ``min_grid_fit``, ``shares``, ``join``, ``pedal``.

        Raises:
            TypeError: ``metre`` is not a pair of integers, or ``resolution`` not an integer.
            UserError: another value is of the wrong type or out of range.

        """
        values = {
            "track_set": track_set,
            "resolution": resolution,
            "bars": bars,
            "steps": steps_per_bar(metre, resolution),
            "encoding": encoding,
            "metre": metre,
        }
        return cls(validate(RollShape, values, "phrase"), metre=None if any_metre else metre, **options)

    @property
    def needed_tracks(self) -> int:
        """``min_tracks``, with its default resolved."""
        return self.min_tracks or 0

    @property
    def metre_name(self) -> str:
        """The metre as text: ``4/4``, or the length of the bars of any metre."""
        if self.metre is not None:
            return f"{self.metre[0]}/{self.metre[1]}"
        return f"any metre with bars of {self.shape.steps / self.shape.resolution:g} beats"

    def quantise(self, song: Song, track_set: TrackSet | None = None) -> StepNotes:
        """Quantize a song by these settings, to their track set or another one; see ``rolls.grid.quantise``.

        With ``pedal``, the song must have been read with its controllers.
        """
        return quantise(
            with_pedal(song) if self.pedal else song,
            track_set or self.shape.track_set,
            self.shape.resolution,
            default_metre=self.metre or COMMON_TIME,
            join=self.metre if self.join else None,
        )

    def runs(self, piece: StepNotes) -> list[tuple[int, int]]:
        """Return the runs of full bars of which phrases are made, each as (first bar, bar after the last)."""
        return piece.runs_of_length(self.shape.steps) if self.metre is None else piece.runs(self.metre)

    def starts(self, playing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Find the bars of a passage at which a phrase may start.

        Args:
            playing: boolean (bars, tracks): which tracks play in which bars of the passage.

        Returns:
            Boolean (bars - phrase bars + 1,); (0,) if the passage is shorter than a phrase.

        Raises:
            TypeError: ``playing`` has another dtype or shape.

        """
        if playing.dtype != np.bool_ or playing.ndim != 2 or playing.shape[1] != len(self.shape.track_set):
            expected = f"boolean (bars, {len(self.shape.track_set)})"
            raise TypeError(f"playing must be {expected}, not {playing.dtype} {playing.shape}")
        count = max(0, len(playing) - self.shape.bars + 1)
        heard = playing[:count].copy()
        for bar in range(1, self.shape.bars):
            heard |= playing[bar : bar + count]
        allowed: NDArray[np.bool_] = heard.sum(axis=1) >= self.needed_tracks
        return allowed

    def hops(self, playing: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the first bars of a passage's phrases: the allowed starts at multiples of ``hop``.

        ``playing`` is as in ``starts``.
        """
        allowed = np.flatnonzero(self.starts(playing))
        chosen: NDArray[np.int64] = allowed[allowed % self.hop == 0]
        return chosen

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values for JSON; ``from_dict`` reads them back."""
        return {  # in the order of every meta.json: the same sources must give the same bytes
            "resolution": self.shape.resolution,
            "bars": self.shape.bars,
            "hop": self.hop,
            "encoding": self.shape.encoding,
            "metre": list(self.metre or self.shape.metre or ()),
            "min_tracks": self.min_tracks,
            "min_grid_fit": self.min_grid_fit,
            "shares": list(self.shares),
            "track_set": self.shape.track_set.to_dict(),
            **({"any_metre": True} if self.metre is None else {}),
            **({"join": True} if self.join else {}),
            **({"pedal": True} if self.pedal else {}),
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Settings:
        """Read settings from untrusted plain values.

        Raises:
            UserError: a value is missing, of the wrong type, or out of range.

        """
        try:
            metre, shares = values["metre"], values["shares"]
            if not all(type(values[key]) is int for key in _NUMBERS):
                raise TypeError(f"{', '.join(_NUMBERS)} must be whole numbers")
            return Settings.create(
                TrackSet.from_dict(values["track_set"], "track_set"),
                values["resolution"],
                bars=values["bars"],
                encoding=values["encoding"],
                metre=(metre[0], metre[1]),
                any_metre=bool(values.get("any_metre")),
                join=bool(values.get("join")),
                pedal=bool(values.get("pedal")),
                hop=values["hop"],
                min_tracks=values["min_tracks"],
                min_grid_fit=float(values["min_grid_fit"]),
                shares=check_shares(tuple(float(share) for share in shares)),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            detail = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise UserError(f"its settings are damaged: {detail}") from None
