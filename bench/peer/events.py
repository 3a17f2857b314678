"""Phrases of any tracks as items: one note, with time since the note before, track, pitch and duration.

A compound form of the tokens of MidiTok's TSD (time shift, program, pitch, duration): four times shorter.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bgmusic.music.rolls.phrases import Phrases

TIME, TRACK, PITCH, DURATION = range(4)
MAX_NOTES = 600  # of up to four bars
BARS = 4


class Events:
    """Convert phrases to items ``(n, notes + 1, 4)`` and back; the last item of a phrase has the time "end".

    Args:
        form: phrases of the corpus, for the tracks and the shape.

    """

    def __init__(self, form: Phrases) -> None:
        _, self.tracks, self.bars, self.steps, self.pitches = form.cells.shape
        self.form = form[:1]
        self.low = form.track_set.low
        self.length = MAX_NOTES * max(self.bars, BARS) // BARS
        self.time = self.bars * self.steps
        self.end = self.time
        self.fields = [self.time + 1, self.tracks, self.pitches, 2 * self.steps]
        self.contexts = [self.steps, self.bars + 1]
        self.drums = torch.from_numpy(form.drums.copy())

    def encode(self, phrases: Phrases) -> tuple[Tensor, Tensor]:
        """Return items and the mask of those that count, boolean ``(n, length)``."""
        rows = []
        for number in range(len(phrases)):
            found = phrases.roll(number).notes()
            notes = np.sort(found, order=("onset", "track", "pitch"))[: self.length - 1]
            shift = np.diff(notes["onset"], prepend=0)
            duration = np.clip(notes["duration"], 1, self.fields[DURATION]) - 1
            items = np.stack([shift, notes["track"], notes["pitch"] - self.low, duration], axis=1)
            rows.append(torch.from_numpy(np.concatenate([items, [[self.end, 0, 0, 0]]]).astype(np.int64)))
        lengths = torch.tensor([len(row) for row in rows])
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.arange(lengths.max()) < lengths[:, None]

    def context(self, items: Tensor) -> Tensor:
        """Return what is known before each item and before the one after the last: ``(n, length + 1, 2)``."""
        now = self._onsets(items).clamp(max=self.time)
        now = torch.cat([now.new_zeros(len(items), 1), now], dim=1)
        return torch.stack([now % self.steps, now // self.steps], dim=-1)

    def transpose(self, items: Tensor, shift: int) -> Tensor:
        moved = items.clone()
        pitched = ~self.drums[items[..., TRACK]] & (items[..., TIME] != self.end)
        moved[..., PITCH] += shift * pitched
        inside = (moved[..., PITCH] >= 0) & (moved[..., PITCH] < self.pitches)
        return torch.where(inside.all(1)[:, None, None], moved, items)

    def ended(self, items: Tensor) -> Tensor:
        over = (self._onsets(items) >= self.time).any(1)
        return over | (items.shape[1] >= self.length)

    def decode(self, items: Tensor) -> Phrases:
        shape = (len(items), self.tracks, self.time, self.pitches)
        cells, onsets = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
        starts = self._onsets(items)
        for number, (phrase, start) in enumerate(zip(items.tolist(), starts.tolist(), strict=True)):
            for (_, track, pitch, duration), at in zip(phrase, start, strict=True):
                if at >= self.time:
                    break
                cells[number, track, at : at + duration + 1, pitch] = True
                onsets[number, track, at, pitch] = True
        sides = [side.reshape(len(items), self.tracks, self.bars, self.steps, self.pitches) for side in (cells, onsets)]
        return Phrases(self.form.track_set, self.form.resolution, *sides).encoded(self.form.encoding)

    def notes(self, items: Tensor) -> Tensor:
        """Return which items are notes, at the field of the pitch: boolean ``(n, length, 4)``."""
        mask = torch.zeros(items.shape, dtype=torch.bool)
        mask[..., PITCH] = self._onsets(items) < self.time
        return mask

    def name(self, items: Tensor, step: int, field: int) -> str:
        """Name a note of one phrase ``(length, 4)``."""
        bar, place = divmod(int(self._onsets(items[None])[0, step]), self.steps)
        track = self.form.track_set.tracks[int(items[step, TRACK])].name
        return f"bar {bar + 1}, step {place}, {track}, pitch {int(items[step, PITCH]) + self.low}"

    def _onsets(self, items: Tensor) -> Tensor:
        return items[..., TIME].cumsum(1)
