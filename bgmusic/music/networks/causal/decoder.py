"""Decide what a track plays in a step: does it change, which notes go on, and which start, from the lowest up.

Rows get their logits from tables of intervals to the track's own line, to the lines of the other tracks and to the note
that was chosen last, so that keys are alike; a term of each row's own adds ranges and drums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from bgmusic.gan.layers import Dropout
from bgmusic.music.networks.causal.returns import count_decisions
from bgmusic.music.networks.causal.rows import PLANES
from bgmusic.music.networks.causal.steps import HOLD, LONGEST, MOTIONS, UNKNOWN, interval_of
from bgmusic.music.networks.causal_config import CausalConfig

REACH = 24
"""Semitones of the interval tables, up and down; larger intervals share the outermost entries."""
IMPOSSIBLE = -1e4
CLASSES = 12
_SCALE = 0.1  # of the initial embeddings


@dataclass(frozen=True)
class Seen:
    """What a track sees of a step when it decides: int64 ``(items, tracks)`` each, rows -1 for none.

    Attributes:
        last: the last row of each line before the step.
        now: rows that sound: in this step of tracks that have decided, else in the step before.
        motion: motion classes of the tracks that have decided, else ``UNKNOWN``.
        since: steps since each track's last change.
        chord: planned rows, float ``(items, PLANES, pitches)``, see :class:`.rows.Guide`.
        leads: number of each track's place under planned chords, int64 ``(items, tracks)``.
        ahead: given lines at the next beat, int64 ``(items, tracks)``.
        returned: how each track's beat returns, see :class:`.returns.Returns`, of this step for tracks that have
            decided, else of the step before; None: beats do not return.

    """

    last: Tensor
    now: Tensor
    motion: Tensor
    since: Tensor
    chord: Tensor
    leads: Tensor
    ahead: Tensor
    returned: Tensor | None = None

    def with_decided(self, decided: Tensor, line: Tensor, motion: Tensor, returned: Tensor | None) -> Seen:
        """Return the view in which the tracks ``decided``, boolean ``(items, tracks)``, are known."""
        both = None if returned is None or self.returned is None else torch.where(decided, returned, self.returned)
        now, motion = torch.where(decided, line, self.now), torch.where(decided, motion, self.motion)
        return replace(self, now=now, motion=motion, returned=both)

    def at(self, rows: Tensor) -> Seen:
        """Return the items ``rows``."""
        return replace(self, **{name: values[rows] for name, values in vars(self).items() if values is not None})


class TrackDecoder(nn.Module):
    """The decisions of one track.

    Args:
        track: its number.
        drums: whether each track is drums.
        pitches: rows.
        settings: sizes of the network.

    """

    def __init__(self, track: int, drums: Sequence[bool], pitches: int, settings: CausalConfig) -> None:
        super().__init__()
        width, hidden, dropout, returns = (
            settings.width,
            settings.hidden,
            settings.dropout,
            count_decisions(settings, drums),
        )
        self.track, self.is_drum, self.pitches = track, drums[track], pitches
        self.others = [other for other in range(len(drums)) if other != track]
        self.pitched = [] if self.is_drum else [other for other in self.others if not drums[other]]
        intervals = 2 * pitches + 1
        scale = _SCALE / math.sqrt(len(drums))
        self.motions = _embedding(max(1, len(self.others)) * MOTIONS, width, scale)
        self.intervals_before = _embedding(max(1, len(self.pitched)) * intervals, width, scale)
        self.intervals_now = _embedding(max(1, len(self.pitched)) * intervals, width, scale)
        self.since = _embedding(LONGEST + 1, width, scale)
        self.chosen = _embedding(pitches, width, _SCALE)
        self.first = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), Dropout(dropout))
        self.change = nn.Linear(hidden, 1)
        self.going_on = nn.Linear(hidden, pitches)
        self.second = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), Dropout(dropout))
        self.references = 0 if self.is_drum else len(self.pitched) + 2
        self.rows = nn.Linear(hidden, pitches + 1 + self.references * (2 * REACH + 1))
        self.harmony = nn.Linear(hidden, PLANES)  # how much a row gains from planned chords
        # Intervals from given lines at the next beat, to where the line is and to where it goes.
        self.leads_to = _embedding(max(1, len(self.pitched)) * CLASSES, width, scale)
        self.ahead = nn.Linear(hidden, max(1, len(self.pitched)) * CLASSES)
        self.returns = returns
        if returns:
            self.returned = _embedding(len(drums) * (returns + 1), width, scale)
            self.returning = nn.Linear(hidden, returns)
        with torch.no_grad():
            self.rows.weight.mul_(0.3)
        # Of each interval before to each interval now, while the other track holds its note and while it moves.
        self.progress = nn.Parameter(torch.zeros(max(1, len(self.pitched)), 2, 13, 12))

    def state(self, state: Tensor, seen: Seen) -> Tensor:
        """Add what the track sees of the step to the state ``(items, width)``."""
        state = state + self.since(seen.since[:, self.track])
        if seen.returned is not None:
            state = state + self.returned(_numbered(seen.returned, self.returns + 1)).sum(1)
        if self.others:
            state = state + self.motions(_numbered(seen.motion[:, self.others], MOTIONS)).sum(1)
        if self.pitched:
            own, size = seen.last[:, self.track, None], 2 * self.pitches + 1
            before = interval_of(own, seen.last[:, self.pitched], self.pitches)
            now = interval_of(seen.now[:, self.pitched], own, self.pitches)
            state = state + self.intervals_before(_numbered(before, size)).sum(1)
            state = state + self.intervals_now(_numbered(now, size)).sum(1)
        return state

    def leading(self, last: Tensor, ahead: Tensor) -> Tensor:
        """Embed how the track's line leads to given lines at the next beat: ``(items, width)``.

        Args:
            last: the line's last row, int64 ``(items,)``.
            ahead: see :class:`Seen`.

        """
        others = ahead[:, self.pitched]
        known = (last[:, None] >= 0) & (others >= 0)
        codes = _numbered((last[:, None] - others) % CLASSES, CLASSES)
        embedded: Tensor = (self.leads_to(codes) * known[..., None]).sum(1)
        return embedded

    def prior(self, seen: Seen, impossible: Tensor) -> Tensor:
        """Return what is added to the logits of rows: float32 ``(items, pitches)``.

        Args:
            seen: what the track sees of the step.
            impossible: rows that cannot start, boolean ``(items, pitches)``.

        """
        return self._progressions(seen).float().masked_fill(impossible, IMPOSSIBLE)

    def _progressions(self, seen: Seen) -> Tensor:
        """Return what each row adds by the intervals it makes with other tracks: ``(items, pitches)``.

        Parallel fifths are an interval of 7 semitones before and now, while the other track moves.
        """
        if not self.pitched:
            return torch.zeros(len(seen.last), self.pitches, device=seen.last.device)
        before, now = seen.last[:, self.pitched], seen.now[:, self.pitched]
        motion = seen.motion[:, self.pitched]
        own = seen.last[:, self.track, None]
        classes = torch.where((own >= 0) & (before >= 0), (own - before) % 12, 12)
        moves = ((motion < HOLD) & (now != before)).long()
        tracks = torch.arange(len(self.pitched), device=own.device)
        table = self.progress[tracks, moves, classes]  # (items, others, 12)
        rows = torch.arange(self.pitches, device=own.device)
        of_rows = table.gather(2, (rows - now[..., None]) % 12) * (now >= 0)[..., None]
        total: Tensor = of_rows.sum(1)
        return total

    def references_of(self, seen: Seen) -> Tensor:
        """Return the rows from which intervals are counted: int64 ``(items, references - 1)``."""
        return torch.cat([seen.last[:, self.track, None], seen.now[:, self.pitched]], 1)

    def note_logits(
        self,
        state: Tensor,
        references: Tensor,
        chord: Tensor,
        ahead: Tensor,
        lowest: Tensor,
        prior: Tensor,
        must: Tensor,
    ) -> Tensor:
        """Return the logits of the next note that starts, in rising order: float32 ``(items, pitches + 1)``.

        Args:
            state: ``(items, width)``, with the notes chosen so far.
            references: see :meth:`references_of`.
            chord: see :class:`Seen`.
            ahead: see :class:`Seen`.
            lowest: row of the note chosen last, -1 for none: only higher ones can follow.
            prior: see :meth:`prior`.
            must: whether a note has to start, boolean ``(items,)``.

        Returns:
            Logits of the rows, then that of no further note.

        """
        hidden = self.second(state)
        outputs = self.rows(hidden).float()
        logits, tables = outputs.split([self.pitches + 1, outputs.shape[1] - self.pitches - 1], 1)
        rows = torch.arange(self.pitches, device=state.device)
        if self.references:
            references = torch.cat([references, lowest[:, None]], 1)
            place = (rows - references[..., None]).clamp(-REACH, REACH) + REACH
            relative = tables.unflatten(1, (self.references, -1)).gather(2, place) * (references >= 0)[..., None]
            prior = prior + relative.sum(1) + (self.harmony(hidden).float().unsqueeze(2) * chord).sum(1)
            if self.pitched:
                prior = prior + towards(self.ahead(hidden).float(), ahead[:, self.pitched], self.pitches)
        prior = prior.masked_fill(rows <= lowest[:, None], IMPOSSIBLE)
        last = torch.where(must, IMPOSSIBLE, 0.0)
        total: Tensor = logits + torch.cat([prior, last[:, None]], 1)
        return total


def towards(outputs: Tensor, lines: Tensor, rows: int) -> Tensor:
    """Return what rows gain by their intervals to given lines at the next beat: ``(items, rows)``.

    Args:
        outputs: of each line, of each pitch class above it, ``(items, lines * 12)``.
        lines: rows, int64 ``(items, lines)``; -1 for none.
        rows: number of rows.

    """
    above = (torch.arange(rows, device=lines.device) - lines[..., None]) % CLASSES
    of_rows = outputs.unflatten(1, (-1, CLASSES)).gather(2, above) * (lines >= 0)[..., None]
    total: Tensor = of_rows.sum(1)
    return total


def unknown_motion(like: Tensor) -> Tensor:
    """Return motion classes of tracks that have not decided."""
    return torch.full_like(like, UNKNOWN)


def _numbered(classes: Tensor, size: int) -> Tensor:
    """Give the columns of ``(items, columns)`` their own ranges of ``size`` numbers."""
    return classes + torch.arange(classes.shape[1], device=classes.device) * size


def _embedding(size: int, width: int, scale: float) -> nn.Embedding:
    table = nn.Embedding(size, width)
    nn.init.normal_(table.weight, std=scale)
    return table
