"""A batch of phrases as tensors, with what is needed to read it; and the npz in which generated phrases are kept."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.files import read_npz, write_bytes
from bgmusic.music.corpora.loader import Loader, pauses
from bgmusic.music.rolls.grid import MAX_RESOLUTION
from bgmusic.music.rolls.roll import Encoding, Roll
from bgmusic.music.rolls.tracks import TrackSet

if TYPE_CHECKING:
    from bgmusic.music.corpora.corpus import Corpus

_MAX_META = 1 << 20  # characters of JSON in an npz


@dataclass(frozen=True, eq=False)
class Phrases:
    """Phrases of one form: boolean ``cells`` ``(batch, tracks, bars, steps, pitches)`` of a track set.

    ``resolution`` is in steps a beat; ``onsets``, of the same shape, say where notes begin in the lossless encoding
    and are None in the papers'. ``pieces``, int64 ``(batch,)``, are the pieces that the phrases come from (phrases of
    a piece are alike, and no independent witnesses); None: each is its own.

    Raises:
        UserError: the shapes don't fit the track set or each other.

    """

    track_set: TrackSet
    resolution: int
    cells: Tensor
    onsets: Tensor | None = None
    pieces: Tensor | None = None

    def __post_init__(self) -> None:
        shape, tracks = tuple(self.cells.shape), self.track_set
        if len(shape) != 5 or (shape[1], shape[4]) != (len(tracks), tracks.pitches) or min(shape) < 1:
            raise UserError(
                f"rolls of {tracks.name!r} are (phrases, {len(tracks)}, bars, steps, {tracks.pitches}), not {shape}"
            )
        if self.onsets is not None and self.onsets.shape != self.cells.shape:
            raise UserError(f"onsets of shape {tuple(self.onsets.shape)} don't fit rolls of shape {shape}")

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, chosen: slice | Tensor) -> Phrases:
        """Some of the phrases, by a slice, a mask or numbers."""
        onsets = None if self.onsets is None else self.onsets[chosen]
        pieces = None if self.pieces is None else self.pieces[chosen]
        return replace(self, cells=self.cells[chosen], onsets=onsets, pieces=pieces)

    def spread(self, most: int) -> Phrases:
        """At most ``most`` of the phrases, evenly spread."""
        if len(self) <= most:
            return self
        return self[torch.linspace(0, len(self) - 1, most, dtype=torch.float64).long()]

    @property
    def encoding(self) -> Encoding:
        """``onset`` (lossless) or ``pause`` (the papers')."""
        return "pause" if self.onsets is None else "onset"

    @property
    def drums(self) -> Tensor:
        """Which tracks are drums: boolean ``(tracks,)``."""
        return torch.tensor([track.is_drum for track in self.track_set.tracks])

    @property
    def groups(self) -> Tensor:
        """The piece of each phrase, a phrase of none being its own: int64 ``(batch,)``, from 0 without gaps."""
        if self.pieces is None:
            return torch.arange(len(self))
        groups: Tensor = self.pieces.unique(return_inverse=True)[1]
        return groups

    def encoded(self, encoding: Encoding) -> Phrases:
        """The phrases in the other encoding (or these): pauses lose onsets, onsets are read from what is lit."""
        if encoding == self.encoding:
            return self
        if self.onsets is not None:
            return replace(self, cells=pauses(self.cells | self.onsets, self.onsets, self.drums.tolist()), onsets=None)
        from bgmusic.music.judging.metrics import note_begins

        return replace(self, onsets=note_begins(self.cells, None, self.drums))

    def roll(self, index: int) -> Roll:
        """One phrase as a roll."""
        onsets = None if self.onsets is None else self.onsets[index].numpy()
        return Roll(self.track_set, self.resolution, self.cells[index].numpy(), onsets)

    def require_like(self, other: Phrases, name: str) -> None:
        """Make sure that these have the tracks, resolution and shape of ``other``, which the user knows as ``name``.

        Raises:
            UserError: what differs.

        """
        for what, mine, theirs in (
            ("tracks", _tracks(self.track_set), _tracks(other.track_set)),
            ("lowest pitch", self.track_set.low, other.track_set.low),
            ("pitches", self.track_set.pitches, other.track_set.pitches),
            ("steps a beat", self.resolution, other.resolution),
            ("bars a phrase", self.cells.shape[2], other.cells.shape[2]),
            ("steps a bar", self.cells.shape[3], other.cells.shape[3]),
        ):
            if mine != theirs:
                raise UserError(f"{what}: these phrases have {mine}, those of {name} {theirs}")


def _tracks(track_set: TrackSet) -> str:
    return ", ".join(track.name for track in track_set.tracks)


def stack_rolls(rolls: Sequence[Roll], pieces: Sequence[int] | None = None) -> Phrases:
    """Rolls of one shape and encoding, one at least, as phrases.

    Raises:
        UserError: there is none.

    """
    if not rolls:
        raise UserError("no phrases")
    cells = torch.from_numpy(np.stack([roll.cells for roll in rolls]))
    onsets = [roll.onsets for roll in rolls if roll.onsets is not None]
    return Phrases(
        rolls[0].track_set,
        rolls[0].resolution,
        cells,
        torch.from_numpy(np.stack(onsets)) if onsets else None,
        None if pieces is None else torch.tensor(pieces),
    )


def corpus_phrases(corpus: Corpus, numbers: NDArray[np.int64]) -> Phrases:
    """The phrases of these numbers of a corpus, in its encoding; phrases of one piece know of each other."""
    channels = Loader(corpus, dtype=torch.bool).phrases(numbers)
    cells, onsets = channels.chunk(2, dim=1) if corpus.encoding == "onset" else (channels, None)
    pieces = torch.from_numpy(corpus.piece_of_phrase[numbers])
    return Phrases(corpus.track_set, corpus.resolution, cells, onsets, pieces)


def write_phrases(phrases: Phrases, path: str | Path, **about: Any) -> None:
    """Write phrases as an npz, whole or not at all.

    ``rolls``, bool ``(phrases, tracks, bars, steps, pitches)``; in the lossless encoding ``onsets``, of that shape;
    ``meta``, JSON: "track_set", "resolution", "encoding", and whatever is known ``about`` them.
    """
    meta = {"track_set": phrases.track_set.to_dict(), "resolution": phrases.resolution, "encoding": phrases.encoding}
    arrays = {"rolls": phrases.cells.cpu().numpy(), "meta": np.array(json.dumps(meta | about))}
    if phrases.onsets is not None:
        arrays["onsets"] = phrases.onsets.cpu().numpy()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type] # numpy's stub takes the names for options
    write_bytes(path, buffer.getvalue())


def read_phrases(path: str | Path, limit: int = 1 << 30) -> tuple[Phrases, dict[str, Any]]:
    """Phrases from an npz as ``write_phrases`` makes it, and its ``meta``; nothing in it can run code.

    Of ``limit`` bytes in memory at most.

    Raises:
        UserError: it is no such file.
        OSError: it can't be read.

    """
    arrays = read_npz(path, ["rolls", "meta"], limit)
    try:
        text = str(arrays["meta"][()])
        meta: dict[str, Any] = json.loads(text) if len(text) <= _MAX_META else {}
        resolution, encoding = meta["resolution"], meta["encoding"]
        if not (type(resolution) is int and 1 <= resolution <= MAX_RESOLUTION) or encoding not in ("pause", "onset"):
            raise ValueError
        track_set = TrackSet.from_dict(meta["track_set"])
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise UserError(f"{path}: its meta does not say track_set, resolution and encoding") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    planes = [arrays["rolls"]] + ([read_npz(path, ["onsets"], limit)["onsets"]] if encoding == "onset" else [])
    if not all(plane.dtype.kind in "bu" and plane.size and plane.max() <= 1 for plane in planes):
        raise UserError(f"{path}: rolls hold more than zeros and ones, or nothing")
    cells, *onsets = (torch.from_numpy(plane.astype(np.bool_)) for plane in planes)
    try:
        return Phrases(track_set, resolution, cells, *onsets), meta
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
