"""Describe the steps of phrases: what starts, what is kept, and how lines move.

Rows are pitches relative to the lowest one of the track set. A track's *line* is its highest sounding row.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.composer.draft import Draft

LEAP = 13  # semitones; larger leaps are one class
HOLD, REST, UNKNOWN = 2 * LEAP + 1, 2 * LEAP + 2, 2 * LEAP + 3
MOTIONS = 2 * LEAP + 4
"""Number of motion classes: leaps, a held note, a rest, and unknown."""
LONGEST = 64
"""Steps since a change that are distinguished."""


@dataclass(frozen=True)
class Steps:
    """What happens at each step of phrases; tensors of ``(batch, steps, tracks)``, rows -1 for none.

    Attributes:
        started: notes that start, boolean ``(batch, steps, tracks, pitches)``.
        kept: notes that go on, boolean, of the same shape.
        before: notes that sounded one step before, boolean, of the same shape.
        changed: whether a note starts or ends, boolean.
        line: the line, int64.
        line_before: the line one step before, int64.
        last_before: the last row of the line before the step, also during a rest, int64.
        since: steps since the last change, at most ``LONGEST``, int64.
        motion: motion class of the line, int64.

    """

    started: Tensor
    kept: Tensor
    before: Tensor
    changed: Tensor
    line: Tensor
    line_before: Tensor
    last_before: Tensor
    since: Tensor
    motion: Tensor


def describe_steps(cells: Tensor, onsets: Tensor | None) -> Steps:
    """Describe phrases.

    Args:
        cells: boolean ``(batch, steps, tracks, pitches)``.
        onsets: boolean, of the same shape; None: a note starts where the step before is silent.

    """
    before = F.pad(cells, (0, 0, 0, 0, 1, 0))[:, :-1]
    started = cells & ~before
    if onsets is not None:
        started = started | (cells & onsets)
    kept = cells & before & ~started
    changed = (started | (before & ~kept)).any(-1)
    line = line_of(cells)
    time = torch.arange(cells.shape[1], device=cells.device)[:, None]
    sounding = torch.where(line >= 0, time, -1).cummax(1).values
    last = torch.where(sounding >= 0, line.gather(1, sounding.clamp(min=0)), -1)
    last_before, line_before = _delayed(last), _delayed(line)
    since = time - _delayed(torch.where(changed, time, -1).cummax(1).values)
    motion = motion_of(line, last_before, started.any(-1))
    return Steps(
        started, kept, before, changed, line, line_before, last_before, since.clamp(max=LONGEST), motion
    )  # fmt: skip


def by_step(draft: Draft) -> tuple[Tensor, Tensor | None]:
    """Return the cells and onsets of phrases as :func:`describe_steps` takes them."""
    onsets = None if draft.onsets is None else draft.onsets.transpose(1, 2) > 0.5
    return draft.cells.transpose(1, 2) > 0.5, onsets


def line_of(cells: Tensor) -> Tensor:
    """Return the highest sounding row, -1 for none: ``(..., pitches)`` to int64 ``(...)``."""
    rows = torch.arange(cells.shape[-1], device=cells.device)
    return torch.where(cells, rows, -1).amax(-1)


def motion_of(line: Tensor, last: Tensor, starts: Tensor) -> Tensor:
    """Return the motion class of a line: the leap to it where a note starts, else held or resting.

    Args:
        line: rows, -1 for a rest.
        last: rows of the line before, -1 for none.
        starts: whether a note starts.

    """
    leap = torch.where(last >= 0, (line - last).clamp(-LEAP, LEAP), 0) + LEAP
    return torch.where(line < 0, REST, torch.where(starts, leap, HOLD))


def interval_of(row: Tensor, other: Tensor, pitches: int) -> Tensor:
    """Return the class of the interval from ``other`` to ``row``, of ``2 * pitches + 1``; the last is "none"."""
    known = (row >= 0) & (other >= 0)
    return torch.where(known, (row - other + pitches).clamp(0, 2 * pitches - 1), 2 * pitches)


def _delayed(rows: Tensor) -> Tensor:
    """Shift ``(batch, steps, tracks)`` by one step; the first holds -1."""
    return F.pad(rows, (0, 0, 1, 0), value=-1)[:, :-1]
