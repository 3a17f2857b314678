"""Draw random batches of phrases: gather packed bits, transpose them while packed, unpack them on the device.

All random numbers are drawn on the CPU from the caller's generator. So a seed gives the same batches on every device,
and a saved generator state continues with the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as integer

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.corpora.packed import PackedCorpus
from bgmusic.music.corpora.packed_bits import MAX_SHIFT, shift_rows, unpack_rows
from bgmusic.music.corpora.split import Split
from bgmusic.music.corpora.tiles import plane_count
from bgmusic.music.rolls.checks import require_integer, require_integers
from bgmusic.music.rolls.encodings import ENCODINGS, Encoding
from bgmusic.plurals import count_of

Numbers = NDArray[np.int64]


class Loader:
    """Random batches of phrases of a corpus, drawn with replacement.

    Args:
        corpus: an open corpus.
        split: "train", "validation", "test", or None for all phrases.
        device: device on which batches are unpacked and returned.
        encoding: "onset" or "pause"; None means as stored. A corpus stored with onsets serves both.
        transpose: lowest and highest transposition in semitones; (0, 0) for none. Each phrase is transposed by a
            random number of semitones that keeps every track within its range; drums are not transposed.
        random_offset: start a phrase 0 to hop - 1 bars later, where a phrase may start at that bar.
        dtype: dtype of the zeros and ones.
        before: number of bars before each phrase that a batch holds, too; those before its passage are silent.

    Raises:
        UserError: the split has no phrase, or an argument is out of range.

    """

    def __init__(
        self,
        corpus: PackedCorpus,
        split: Split | None = None,
        *,
        device: str | torch.device = "cpu",
        encoding: Encoding | None = None,
        transpose: tuple[int, int] = (0, 0),
        random_offset: bool = False,
        dtype: torch.dtype = torch.float32,
        before: int = 0,
    ) -> None:
        settings = corpus.settings
        self.corpus, self.device, self.dtype = corpus, torch.device(device), dtype
        self.encoding: Encoding = encoding or corpus.encoding
        if self.encoding not in ENCODINGS:
            raise UserError(f"encoding {self.encoding!r} is not one of {', '.join(ENCODINGS)}")
        if self.encoding == "onset" and corpus.encoding == "pause":
            raise UserError(f"corpus {corpus.path.name} was built with the pause encoding: it has no onsets")
        low, high = (integer(semitones) for semitones in transpose)
        if not -MAX_SHIFT <= low <= 0 <= high <= MAX_SHIFT:
            raise UserError(f"transpose {transpose}: give semitones from {-MAX_SHIFT}..0 to 0..{MAX_SHIFT}")
        self.transpose = low, high
        indices = corpus.indices(split)
        if not len(indices):
            raise UserError(f"corpus {corpus.path.name} has no phrase in split {split}")
        self.indices = indices.astype(np.uint32)  # the number of phrases is below 1 << 32
        require_integer("before", before)
        if before < 0:
            raise UserError(f"{before} bars before phrases: give 0 or more")
        self._before = before
        self._hop = settings.hop if random_offset else 1
        tracks = corpus.track_set.tracks
        self._drums = torch.tensor([track.is_drum for track in tracks])
        # The room for transposition of every tile and track; drums and silent tiles don't limit it.
        self._lowest = torch.tensor([track.low - corpus.track_set.low for track in tracks])
        self._highest = torch.tensor([track.high - corpus.track_set.low for track in tracks])

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        size = f"{count_of(len(self), 'phrase')} of shape {self.shape}"
        return f"Loader({self.corpus.path.name!r:.60}: {size}, {self.dtype}, on {self.device})"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of one phrase: (channels, bars, steps, pitches), with channels as in ``Roll.channels``."""
        shape = self.corpus.settings.shape
        return (
            plane_count(self.encoding) * len(shape.track_set),
            self._before + shape.bars,
            shape.steps,
            shape.track_set.pitches,
        )

    def batch(self, size: int, generator: torch.Generator | None = None, out: Tensor | None = None) -> Tensor:
        """Draw ``size`` random phrases.

        Args:
            size: number of phrases.
            generator: a CPU generator; None means torch's default one.
            out: a tensor of the batch's shape, of any dtype, to write to. On a CPU, allocating a large float32 batch
                takes longer than filling it.

        Returns:
            Zeros and ones (size, channels, bars, steps, pitches), on the loader's device.

        Raises:
            TypeError: ``size`` is not an integer.
            ValueError: ``size`` is negative, or ``out`` has another shape.

        """
        require_integer("size", size)
        if size < 0:
            raise ValueError(f"a batch of {size} phrases: give 0 or more")
        if out is not None and out.shape != (size, *self.shape):
            raise ValueError(f"out has shape {tuple(out.shape)}, the batch {(size, *self.shape)}")
        chosen = self.indices[torch.randint(len(self.indices), (size,), generator=generator).numpy()]
        passage, bar = self.corpus.phrases[chosen].astype(np.int64).T
        if self._hop > 1:
            bar = self._later(passage, bar, bar + torch.randint(self._hop, (size,), generator=generator).numpy())
        tiles = self._tiles(passage, bar)
        return self._unpack(tiles, self._draw_shifts(tiles, generator), out)

    def phrases(self, numbers: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """Return the phrases with these indices in the corpus, untransposed: (len(numbers), channels, ...).

        Raises:
            TypeError: ``numbers`` are not a sequence of integers.
            IndexError: a number is not within 0 to ``len(corpus) - 1``.

        """
        chosen = require_integers("numbers", np.asarray(numbers, None if len(numbers) else np.int64))
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < len(self.corpus)):
            raise IndexError(f"phrase numbers must be within 0 to {len(self.corpus) - 1}")
        return self._unpack(self._tiles(*self.corpus.phrases[chosen].astype(np.int64).T), None)

    def _later(self, passage: Numbers, bar: Numbers, later: Numbers) -> Numbers:
        """Return the bars ``later`` where a phrase may start there, else ``bar``."""
        settings, corpus = self.corpus.settings, self.corpus
        within = later + settings.shape.bars <= corpus.passages[passage, 3]
        heard = (corpus.rows(passage, np.where(within, later, bar)) > 0).any(1).sum(1)
        return np.where(within & (heard >= settings.needed_tracks), later, bar)

    def _tiles(self, passage: Numbers, bar: Numbers) -> Tensor:
        """Return the tiles (size, tracks, bars) of phrases that start at these bars of passages."""
        return torch.from_numpy(self.corpus.rows(passage, bar, self._before).transpose(0, 2, 1))

    def _draw_shifts(self, tiles: Tensor, generator: torch.Generator | None) -> Tensor | None:
        """Draw the transposition of every tile (size, tracks, bars) in semitones."""
        if self.transpose == (0, 0):
            return None
        ranges = torch.from_numpy(self.corpus.ranges[tiles.numpy()].astype(np.int16))
        silent = (ranges[..., 0] > ranges[..., 1]) | self._drums[:, None]
        up = (self._highest[:, None] - ranges[..., 1]).masked_fill(silent, MAX_SHIFT).amin((1, 2))
        down = (self._lowest[:, None] - ranges[..., 0]).masked_fill(silent, -MAX_SHIFT).amax((1, 2))
        up, down = up.clamp(0, self.transpose[1]), down.clamp(self.transpose[0], 0)
        # Scaled from [0, 1): the draws don't depend on how many choices each phrase has.
        draw = torch.rand(len(tiles), generator=generator, dtype=torch.float64)
        shift = (down + (draw * (up - down + 1)).floor()).to(torch.int16)
        moved: Tensor = shift[:, None, None] * ~self._drums[:, None]
        return moved.expand(tiles.shape)

    def _unpack(self, tiles: Tensor, shifts: Tensor | None, out: Tensor | None = None) -> Tensor:
        """Gather, transpose and unpack tiles (size, tracks, bars)."""
        shape = self.corpus.settings.shape
        steps, pitches, planes = shape.steps, shape.track_set.pitches, plane_count(shape.encoding)
        # Rows in the order of the channels, all cells before all onsets: the unpacked bits need no transposition.
        rows = torch.cat([tiles * planes + plane for plane in range(planes)], dim=1)
        packed = torch.from_numpy(self.corpus.bits.take(rows.flatten().numpy())).to(self.device, non_blocking=True)
        if shifts is not None:
            packed = shift_rows(packed, shifts.repeat(1, planes, 1).flatten().to(self.device))
        channels = unpack_rows(packed, steps * pitches).view(*rows.shape, steps, pitches)
        if self.encoding != shape.encoding:
            cells, onsets = channels.chunk(2, dim=1)
            channels = pauses(cells, onsets, self._drums.tolist())
        if self.dtype is torch.bool and out is None:
            return channels
        numbers = channels.view(torch.uint8)  # a CPU converts it to bfloat16 three times as fast as booleans
        return numbers.to(self.dtype) if out is None else out.copy_(numbers)


def pauses(cells: Tensor, onsets: Tensor, drums: Sequence[bool]) -> Tensor:
    """Convert rolls in the onset encoding to the pause encoding: a step of silence before a repeated note.

    A cell is switched off where a note of the same pitch begins in the next step, unless the cell itself is an onset
    (a note of one step can't be shortened) or belongs to drums.

    Args:
        cells: boolean (batch, tracks, bars, steps, pitches), the sustained cells.
        onsets: boolean, of the same shape.
        drums: for every track whether it is drums.

    Returns:
        Boolean, of the shape of ``cells``.

    Raises:
        TypeError: an argument has another dtype.
        ValueError: the shapes differ.

    """
    if cells.ndim != 5 or cells.shape != onsets.shape or len(drums) != cells.shape[1]:
        shapes = f"{tuple(cells.shape)}, {tuple(onsets.shape)} and {len(drums)} tracks"
        raise ValueError(f"cells and onsets must both be (batch, tracks, bars, steps, pitches), not {shapes}")
    if cells.dtype != torch.bool or onsets.dtype != torch.bool:
        raise TypeError(f"cells and onsets must be boolean, not {cells.dtype} and {onsets.dtype}")
    paused = cells.flatten(2, 3).clone()
    begins = onsets.flatten(2, 3)
    # On booleans, "x > y" is "x and not y" in one operation.
    repeated = begins[:, :, 1:] > begins[:, :, :-1]
    for track, is_drum in enumerate(drums):
        if is_drum:
            repeated[:, track] = False
    torch.gt(paused[:, :, :-1], repeated, out=paused[:, :, :-1])
    return paused.view(cells.shape)
