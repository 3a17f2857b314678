"""A batch of phrases of one shape, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.rolls.checks import kind_of, require_boolean, require_resolution
from bgmusic.music.rolls.encodings import Cells, Encoding, note_begins, require_encoding, with_pauses
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tempo import DEFAULT_TEMPOS, TempoMap
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.plurals import count_of


@dataclass(frozen=True, eq=False)
class Phrases:
    """A batch of phrases of one track set, resolution, shape and encoding.

    Attributes:
        track_set: the tracks.
        resolution: steps per beat.
        cells: boolean ``(batch, tracks, bars, steps, pitches)``.
        onsets: boolean of the same shape, or None for the pause encoding.
        pieces: int64 ``(batch,)``, the piece that each phrase comes from, or None if each is a piece of its own.
            Phrases of one piece are correlated; statistics resample pieces.
        metres: int32 ``(batch, 2)``, numerator and denominator of each phrase; None guesses them, see ``Roll``.
        tempos: the tempo map of each phrase, or None if unknown.

    Raises:
        TypeError: an array has another dtype.
        UserError: the shapes do not fit the track set or each other.

    """

    track_set: TrackSet
    resolution: int
    cells: Cells
    onsets: Cells | None = None
    pieces: NDArray[np.int64] | None = None
    metres: NDArray[np.int32] | None = None
    tempos: tuple[TempoMap, ...] | None = None

    def __post_init__(self) -> None:
        require_boolean("cells", self.cells)
        require_resolution(self.resolution)
        shape, tracks = self.cells.shape, self.track_set
        if len(shape) != 5 or (shape[1], shape[4]) != (len(tracks), tracks.pitches) or min(shape) < 1:
            raise UserError(
                f"phrases of track set {tracks.name!r} need shape "
                f"(batch, {len(tracks)}, bars, steps, {tracks.pitches}), not {shape}"
            )
        if self.onsets is not None:
            require_boolean("onsets", self.onsets)
            if self.onsets.shape != shape:
                raise UserError(f"onsets of shape {self.onsets.shape} do not fit cells of shape {shape}")
        if self.pieces is not None:
            if not isinstance(self.pieces, np.ndarray) or self.pieces.dtype != np.int64:
                raise TypeError(f"pieces must be an int64 NumPy array, not {kind_of(self.pieces)}")
            if self.pieces.shape != shape[:1]:
                raise UserError(f"pieces of shape {self.pieces.shape} do not fit {shape[0]} phrases")
        if self.metres is not None:
            if not isinstance(self.metres, np.ndarray) or self.metres.dtype != np.int32:
                raise TypeError(f"metres must be an int32 NumPy array, not {kind_of(self.metres)}")
            if self.metres.shape != (shape[0], 2):
                raise UserError(f"metres of shape {self.metres.shape} do not fit {shape[0]} phrases")
        if self.tempos is not None and len(self.tempos) != shape[0]:
            raise UserError(f"{len(self.tempos)} tempo maps do not fit {shape[0]} phrases")

    def __len__(self) -> int:
        return len(self.cells)

    def __repr__(self) -> str:
        _, _, bars, steps, _ = self.cells.shape
        size = f"{count_of(len(self), 'phrase')} of {count_of(bars, 'bar')} of {count_of(steps, 'step')}"
        return f"Phrases({self.track_set.name!r:.60}: {size}, {self.resolution} per beat, encoding {self.encoding})"

    def __getitem__(self, chosen: slice | NDArray[np.bool_] | NDArray[np.integer]) -> Phrases:
        """Select phrases by a slice, a boolean mask, or an array of numbers."""
        onsets = None if self.onsets is None else self.onsets[chosen]
        pieces = None if self.pieces is None else self.pieces[chosen]
        metres = None if self.metres is None else self.metres[chosen]
        numbers = np.arange(len(self))[chosen].tolist() if self.tempos else []
        tempos = tuple(self.tempos[number] for number in numbers) if self.tempos else None
        return replace(self, cells=self.cells[chosen], onsets=onsets, pieces=pieces, metres=metres, tempos=tempos)

    def spread(self, most: int) -> Phrases:
        """Return at most ``most`` of the phrases, evenly spread, the first and the last among them."""
        if len(self) <= most:
            return self
        if most < 1:
            raise ValueError(f"at least 1 phrase must be kept, not {most}")
        # The rounding of torch.linspace, which earlier versions used: evaluations keep their phrases.
        place, last = np.arange(most), len(self) - 1
        step = last / (most - 1) if most > 1 else 0.0
        chosen = np.where(place < most // 2, step * place, last - step * (most - 1 - place)) if most > 1 else place
        return self[chosen.astype(np.int64)]

    @property
    def encoding(self) -> Encoding:
        """``onset`` (lossless) or ``pause`` (the papers')."""
        return "pause" if self.onsets is None else "onset"

    @property
    def drums(self) -> NDArray[np.bool_]:
        """Boolean ``(tracks,)``: True for drum tracks."""
        return self.track_set.drums

    @property
    def groups(self) -> NDArray[np.int64]:
        """Int64 ``(batch,)``: the piece of each phrase, numbered from 0 without gaps."""
        if self.pieces is None:
            return np.arange(len(self), dtype=np.int64)
        groups: NDArray[np.int64] = np.unique(self.pieces, return_inverse=True)[1]
        return groups

    def encoded(self, encoding: Encoding) -> Phrases:
        """Convert the phrases to ``encoding``.

        ``onset`` to ``pause`` loses some repeated notes (see ``encoding_loss``). ``pause`` to ``onset`` reads the
        onsets from the cells.
        """
        require_encoding(encoding)
        if encoding == self.encoding:
            return self
        if self.onsets is not None:
            cells = with_pauses(self.cells | self.onsets, self.onsets, self.drums)
            return replace(self, cells=cells, onsets=None)
        return replace(self, onsets=note_begins(self.cells, None, self.drums))

    def roll(self, index: int) -> Roll:
        """Return one phrase as a ``Roll``; its arrays are views."""
        onsets = None if self.onsets is None else self.onsets[index]
        metre = None if self.metres is None else (int(self.metres[index, 0]), int(self.metres[index, 1]))
        tempos = None if self.tempos is None else self.tempos[index]
        return Roll(self.track_set, self.resolution, self.cells[index], onsets, metre, tempos)

    def require_like(self, other: Phrases, name: str) -> None:
        """Check that the phrases have the tracks, resolution and shape of ``other``.

        Args:
            other: the phrases to compare with.
            name: what the error message calls ``other``.

        Raises:
            UserError: they differ; the message names the first difference.

        """
        for what, own, others in (
            ("tracks", _tracks(self.track_set), _tracks(other.track_set)),
            ("lowest pitch", self.track_set.low, other.track_set.low),
            ("pitches", self.track_set.pitches, other.track_set.pitches),
            ("steps per beat", self.resolution, other.resolution),
            ("bars per phrase", self.cells.shape[2], other.cells.shape[2]),
            ("steps per bar", self.cells.shape[3], other.cells.shape[3]),
        ):
            if own != others:
                raise UserError(f"{what}: these phrases have {own}, those of {name} have {others}")


def _tracks(track_set: TrackSet) -> str:
    return ", ".join(track.name for track in track_set.tracks)


def stack_rolls(rolls: Sequence[Roll], pieces: Sequence[int] | None = None) -> Phrases:
    """Stack rolls of one track set, resolution, shape and encoding; each keeps its metre and tempos.

    Args:
        rolls: at least one roll.
        pieces: the piece of each roll; None if each is a piece of its own.

    Raises:
        UserError: there are no rolls, or they differ in form.

    """
    if not rolls:
        raise UserError("no phrases: at least one roll is needed")
    first = rolls[0]
    for number, roll in enumerate(rolls):
        if (roll.track_set, roll.resolution, roll.cells.shape, roll.encoding) != (
            first.track_set,
            first.resolution,
            first.cells.shape,
            first.encoding,
        ):
            raise UserError(f"rolls of one form can be stacked: roll {number} is {roll!r}, roll 0 is {first!r}")
    onsets = [roll.onsets for roll in rolls if roll.onsets is not None]
    return Phrases(
        first.track_set,
        first.resolution,
        np.stack([roll.cells for roll in rolls]),
        np.stack(onsets) if onsets else None,
        None if pieces is None else np.array(pieces, dtype=np.int64),
        np.array([roll.metre for roll in rolls], dtype=np.int32) if all(roll.metre for roll in rolls) else None,
        tuple(roll.tempos or DEFAULT_TEMPOS for roll in rolls) if any(roll.tempos for roll in rolls) else None,
    )
