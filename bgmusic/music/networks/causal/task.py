"""What there is to compose: what is known of phrases, and as the network sees it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bgmusic.music.networks.causal.recalled import Recalled
from bgmusic.music.networks.causal.rows import Guide


@dataclass(frozen=True)
class Given:
    """What is known of phrases: boolean ``(batch, steps, tracks[, rows])``.

    Attributes:
        cells: notes.
        onsets: where they start; None in the pause encoding.
        known: steps of tracks that are not decided on; a silent one is known and has no notes.

    """

    cells: Tensor
    onsets: Tensor | None
    known: Tensor

    @property
    def accompanied(self) -> Tensor:
        """In which phrases a track is given that plays while another is composed: boolean ``(batch,)``."""
        plays = (self.known & self.cells.any(-1)).any(2)
        return (plays & ~self.known.all(2)).any(1)

    def select(self, rows: Tensor) -> Given:
        """Return the rows of the batch with the given numbers."""
        onsets = None if self.onsets is None else self.onsets[rows]
        return Given(self.cells[rows], onsets, self.known[rows])

    def repeat_bar(self, cells: Tensor, onsets: Tensor, repeats: Tensor, bar: int, steps: int) -> Given:
        """Copy earlier bars to the tracks that repeat them in ``bar``, unless a step of it is known.

        Args:
            cells: what was composed, boolean ``(batch, steps, tracks, rows)``.
            onsets: of the same shape.
            repeats: number of the bar that ``bar`` repeats or its own, int64 ``(batch, tracks)``.
            bar: number of the bar.
            steps: of a bar.

        """
        here = slice(bar * steps, (bar + 1) * steps)
        again = (repeats < bar) & ~self.known[:, here].any(1)
        if not bool(again.any()):
            return self
        place = (repeats.clamp(max=bar) * steps)[:, None] + torch.arange(steps, device=cells.device)[:, None]
        place = place[..., None].expand(-1, -1, -1, cells.shape[3])

        def copied(plane: Tensor, made: Tensor) -> Tensor:
            plane = plane.clone()
            plane[:, here] = torch.where(again[:, None, :, None], made.gather(1, place), plane[:, here])
            return plane

        known = self.known.clone()
        known[:, here] |= again[:, None]
        starts = self.onsets if self.onsets is None else copied(self.onsets, onsets)
        return Given(copied(self.cells, cells), starts, known)


@dataclass(frozen=True)
class Task:
    """Phrases to compose.

    Attributes:
        given: what is known.
        repeats: number of the bar that each bar repeats or its own, int64 ``(batch, tracks, bars)``; None: all are new.
        context: what is known as the network sees it, float ``(batch, steps, width)``.
        playable: rows within each track's range, boolean ``(batch, tracks, rows)``.
        guide: what is known in advance; None: nothing.
        playing: bars in which tracks must play, boolean ``(batch, tracks, bars)``; None: in none.
        earlier: phrases before, not repeated for drafts; None: nothing came before.

    """

    given: Given
    repeats: Tensor | None
    context: Tensor
    playable: Tensor
    guide: Guide | None
    playing: Tensor | None = None
    earlier: Recalled | None = None

    def repeated(self, drafts: int) -> Task:
        """Return each phrase ``drafts`` times in a row."""
        rows = torch.arange(len(self.context), device=self.context.device).repeat_interleave(drafts)
        repeats = None if self.repeats is None else self.repeats[rows]
        given = self.given.select(rows)
        guide = None if self.guide is None else self.guide.map(lambda values: values[rows])
        playing = None if self.playing is None else self.playing[rows]
        return Task(given, repeats, self.context[rows], self.playable[rows], guide, playing, self.earlier)
