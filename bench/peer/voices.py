"""Phrases of one-voice tracks as items: one step of all voices, each a rest, a held note, or the onset of a pitch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bgmusic.music.rolls.phrases import Phrases

REST, HOLD, ONSET = 0, 1, 2


class Voices:
    """Convert phrases to items ``(n, steps, voices)`` and back; of chords, the top note is kept.

    Args:
        form: phrases of the corpus, for the tracks and the shape.

    """

    def __init__(self, form: Phrases) -> None:
        _, self.tracks, self.bars, self.steps, self.pitches = form.cells.shape
        self.form = form[:1]
        self.length = self.bars * self.steps
        self.fields = [ONSET + self.pitches] * self.tracks
        self.contexts = [*[self.pitches + 1] * self.tracks, self.length]

    def encode(self, phrases: Phrases) -> tuple[Tensor, Tensor]:
        """Return items and the mask of those that count, boolean ``(n, steps)``."""
        begins = torch.from_numpy(phrases.encoded("onset").onsets).flatten(2, 3)
        cells = torch.from_numpy(phrases.cells).flatten(2, 3) | begins
        top = torch.arange(self.pitches)
        line = torch.where(cells, top, -1).amax(-1)
        strike = begins.gather(-1, line.clamp(min=0)[..., None])[..., 0]
        new = strike | (line != torch.cat([torch.full_like(line[..., :1], -1), line[..., :-1]], dim=-1))
        items = torch.where(line < 0, REST, torch.where(new, line + ONSET, HOLD)).transpose(1, 2)
        return items, torch.ones(items.shape[:2], dtype=torch.bool)

    def context(self, items: Tensor) -> Tensor:
        """Return what is known before each item and before the one after the last: ``(n, length + 1, columns)``."""
        silence = items.new_full((len(items), 1, self.tracks), self.pitches)
        before = torch.cat([silence, self.sounding(items)], dim=1) if items.shape[1] else silence
        place = torch.arange(before.shape[1]).clamp(max=self.length - 1)
        return torch.cat([before, place.expand(len(items), -1)[..., None]], dim=-1)

    def sounding(self, items: Tensor) -> Tensor:
        """Return the row that sounds in each voice, ``pitches`` for none: int64 ``(n, length, voices)``."""
        at = torch.where(items != HOLD, torch.arange(items.shape[1])[:, None], 0).cummax(1).values
        value = items.gather(1, at)
        return torch.where(value >= ONSET, value - ONSET, self.pitches)

    def transpose(self, items: Tensor, shift: int) -> Tensor:
        moved = torch.where(items >= ONSET, items + shift, items)
        fits = ((moved >= ONSET) == (items >= ONSET)).flatten(1).all(1) & (moved.flatten(1).amax(1) < self.fields[0])
        return torch.where(fits[:, None, None], moved, items)

    def ended(self, items: Tensor) -> Tensor:
        return torch.full((len(items),), items.shape[1] >= self.length)

    def decode(self, items: Tensor) -> Phrases:
        rows = self.sounding(items)
        cells = torch.zeros(len(items), self.length, self.tracks, self.pitches + 1, dtype=torch.bool)
        cells.scatter_(-1, rows[..., None], True)
        cells = cells[..., :-1].transpose(1, 2)
        onsets = cells & (items >= ONSET).transpose(1, 2)[..., None]
        onsets[:, :, 0] = cells[:, :, 0]
        return self._phrases(cells, onsets)

    def notes(self, items: Tensor) -> Tensor:
        """Return which fields begin a note: boolean ``(n, length, voices)``."""
        return items >= ONSET

    def name(self, items: Tensor, step: int, field: int) -> str:
        """Name a note of one phrase ``(length, voices)``."""
        pitch = int(items[step, field]) - ONSET + self.form.track_set.low
        bar, place = divmod(step, self.steps)
        return f"bar {bar + 1}, step {place}, {self.form.track_set.tracks[field].name}, pitch {pitch}"

    def _phrases(self, cells: Tensor, onsets: Tensor) -> Phrases:
        shape = (self.bars, self.steps)
        arrays = [np.ascontiguousarray(side.unflatten(2, shape).numpy()) for side in (cells, onsets)]
        return Phrases(self.form.track_set, self.form.resolution, *arrays).encoded(self.form.encoding)
