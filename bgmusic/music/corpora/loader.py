"""Random batches of a corpus: gathered as packed bits, transposed while packed, unpacked on the training device.

Every draw comes from the generator that is handed in, on the CPU: a seed gives the same batches on every
device, and whoever saves the generator's state goes on with the same batches after a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.corpora.bits import MAX_SHIFT, shift_rows, unpack_rows
from bgmusic.music.corpora.split import Split
from bgmusic.music.corpora.tiles import plane_count
from bgmusic.music.rolls.roll import ENCODINGS, Encoding

if TYPE_CHECKING:
    from bgmusic.music.corpora.corpus import Corpus


class Loader:
    """Serves batches of phrases of ``corpus``, drawn with replacement.

    Args:
        corpus: an open corpus.
        split: "train", "validation", "test", or None for all phrases.
        device: where batches are unpacked and served.
        encoding: "onset" or "pause"; None: as stored. A lossless corpus serves both.
        transpose: lowest and highest transposition in semitones, (0, 0) for none. Each phrase is moved by a
            number drawn from those that keep every track within its range; drums stay.
        random_offset: begin a phrase 0 to hop - 1 bars later, where the corpus's rule allows a phrase to begin.
        dtype: of the zeros and ones served: any.

    Raises:
        UserError: the split has no phrase, or an argument makes no sense.

    """

    def __init__(
        self,
        corpus: Corpus,
        split: Split | None = None,
        *,
        device: str | torch.device = "cpu",
        encoding: Encoding | None = None,
        transpose: tuple[int, int] = (0, 0),
        random_offset: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        settings = corpus.settings
        self.corpus, self.device, self.dtype = corpus, torch.device(device), dtype
        self.encoding: Encoding = encoding or corpus.encoding
        if self.encoding not in ENCODINGS:
            raise UserError(f"encoding {self.encoding!r} is none of {', '.join(ENCODINGS)}")
        if self.encoding == "onset" and corpus.encoding == "pause":
            raise UserError("this corpus was built with the pause encoding: its onsets are lost")
        self.transpose = transpose
        if not -MAX_SHIFT <= transpose[0] <= 0 <= transpose[1] <= MAX_SHIFT:
            raise UserError(f"transpose goes from {-MAX_SHIFT}..0 to 0..{MAX_SHIFT} semitones, not {transpose}")
        self.indices = torch.from_numpy(corpus.indices(split))
        if not len(self.indices):
            raise UserError(f"corpus {corpus.path.name} has no phrase in split {split}")
        self._hop = settings.hop if random_offset else 1
        self._starts, self._allowed = _starts(corpus)
        self._bars = torch.from_numpy(corpus.bars.astype(np.int64))
        tracks = corpus.track_set.tracks
        self._drums = torch.tensor([track.is_drum for track in tracks])
        # Of every tile and track: how far it may go up and down; drums and silence don't limit.
        self._lowest = torch.tensor([track.low - corpus.track_set.low for track in tracks])
        self._highest = torch.tensor([track.high - corpus.track_set.low for track in tracks])
        self._ranges = torch.from_numpy(corpus.ranges.astype(np.int16))
        self._shards = [torch.from_numpy(shard).flatten(0, 1) for shard in corpus.shards]
        self._edges = torch.tensor(np.cumsum([0, *map(len, self._shards)]))

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of one phrase: (channels, bars, steps, pitches); channels as ``Roll.channels`` stacks them."""
        settings, tracks = self.corpus.settings, self.corpus.track_set
        planes = 2 if self.encoding == "onset" else 1
        return planes * len(tracks), settings.bars, settings.steps, tracks.pitches

    def batch(self, size: int, generator: torch.Generator | None = None, out: Tensor | None = None) -> Tensor:
        """Draw ``size`` phrases: (size, channels, bars, steps, pitches), zeros and ones on the device.

        ``generator`` lives on the CPU; None is torch's own. ``out`` is a tensor of the batch's shape (and of any
        dtype) that takes it: for callers who are done with one batch before the next. New memory for every batch
        is most of the time that large ones take in float32 on a CPU.

        Raises:
            ValueError: ``out`` has another shape.

        """
        if out is not None and out.shape != (size, *self.shape):
            raise ValueError(f"out is {tuple(out.shape)}, a batch {(size, *self.shape)}")
        chosen = self.indices[torch.randint(len(self.indices), (size,), generator=generator)]
        starts = self._starts[chosen]
        if self._hop > 1:
            later = starts + torch.randint(self._hop, (size,), generator=generator)
            later = later.clamp(max=len(self._allowed) - 1)
            # A start is allowed only where the whole phrase lies in the same passage: none lies between them.
            same = self._allowed[later] == self._allowed[starts]
            starts = torch.where(same, later, starts)
        tiles = self._bars[starts.unsqueeze(1) + torch.arange(self.corpus.settings.bars)].transpose(1, 2)
        shifts = self._draw_shifts(tiles, generator)
        return self._unpack(tiles, shifts, out)

    def phrases(self, numbers: list[int] | NDArray[np.int64]) -> Tensor:
        """The phrases of these numbers of the corpus, as stored: the same shape as a batch."""
        starts = self._starts[torch.as_tensor(numbers)]
        tiles = self._bars[starts.unsqueeze(1) + torch.arange(self.corpus.settings.bars)].transpose(1, 2)
        return self._unpack(tiles, None)

    def _draw_shifts(self, tiles: Tensor, generator: torch.Generator | None) -> Tensor | None:
        """For every tile (size, tracks, bars) by how many semitones it moves."""
        if self.transpose == (0, 0):
            return None
        ranges = self._ranges[tiles]
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
        settings, track_set = self.corpus.settings, self.corpus.track_set
        planes = plane_count(self.corpus.encoding)
        # Rows in the order of the channels, all cells before all onsets: unpacked, nothing has to be moved.
        rows = torch.cat([tiles * planes + plane for plane in range(planes)], dim=1)
        packed = self._gather(rows.flatten()).to(self.device, non_blocking=True)
        if shifts is not None:
            packed = shift_rows(packed, shifts.repeat(1, planes, 1).flatten().to(self.device))
        channels = unpack_rows(packed, settings.steps * track_set.pitches)
        channels = channels.view(*rows.shape, settings.steps, track_set.pitches)
        if self.encoding != self.corpus.encoding:
            cells, onsets = channels.chunk(2, dim=1)
            channels = pauses(cells, onsets, self._drums.tolist())
        if self.dtype is torch.bool and out is None:
            return channels
        numbers = channels.view(torch.uint8)  # which a CPU converts to bfloat16 three times as fast as booleans
        return numbers.to(self.dtype) if out is None else out.copy_(numbers)

    def _gather(self, rows: Tensor) -> Tensor:
        """The packed planes of these numbers (n, bytes), from the shards that hold them."""
        if len(self._shards) == 1:
            return self._shards[0].index_select(0, rows)
        packed = torch.empty((len(rows), self._shards[0].shape[1]), dtype=torch.uint8)
        shard = torch.bucketize(rows, self._edges, right=True) - 1
        for number in shard.unique().tolist():
            here = shard == number
            packed[here] = self._shards[number].index_select(0, rows[here] - self._edges[number])
        return packed


def pauses(cells: Tensor, onsets: Tensor, drums: list[bool]) -> Tensor:
    """The papers' encoding of lossless rolls (batch, tracks, bars, steps, pitches): a pause before a repeated note.

    A cell goes out where the next step begins a note of its pitch, unless it is that note's onset itself
    (a note of one step has no step to lose) or a hit of the drums.
    """
    paused = cells.flatten(2, 3).clone()
    begins = onsets.flatten(2, 3)
    # One comparison for "x and not y": bits, not numbers.
    repeated = begins[:, :, 1:] > begins[:, :, :-1]
    for track, is_drum in enumerate(drums):
        if is_drum:
            repeated[:, track] = False
    torch.gt(paused[:, :, :-1], repeated, out=paused[:, :, :-1])
    return paused.view(cells.shape)


def _starts(corpus: Corpus) -> tuple[Tensor, Tensor]:
    """For every phrase its row in ``bars``; for every row the passage in which a phrase may begin there, or -1."""
    passage, bar = corpus.phrases.astype(np.int64).T
    rows = corpus.passages[:, 2].astype(np.int64)
    allowed = np.full(max(1, len(corpus.bars)), -1)
    for number, (row, length) in enumerate(corpus.passages[:, 2:].astype(np.int64).tolist()):
        if length >= corpus.settings.bars:
            starts = corpus.settings.starts(corpus.bars[row : row + length] != 0)
            allowed[row : row + len(starts)][starts] = number
    return torch.from_numpy(rows[passage] + bar), torch.from_numpy(allowed)
