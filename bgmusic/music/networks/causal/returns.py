"""Beats that return: a track plays a beat as one bar before, or two, by a single decision.

Loops repeat to the last note, and a composer that decides step by step hardly ever does: it would have to be right each
time. Here binary neurons decide at the beginning of each beat whether it is that of one bar before, then whether it is
that of two bars before, and so on. If it is not, they decide in the same order whether its rhythm returns, with notes
that are chosen anew. Only what is new is decided, and computed.

These decisions have numbers: with ``bars`` of them, 1 to ``bars`` for beats, ``bars + 1`` to ``2 bars`` for rhythms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.causal.task import Given
from bgmusic.music.rolls.shape import RollShape


@dataclass(frozen=True)
class Returns:
    """Which beats of phrases return; see :func:`describe_returns`.

    Attributes:
        now: of the beat of each step, the number of the decision that is true, 0 for a new one; int64 ``(batch, steps,
            tracks)``.
        before: the same of the step before, 0 at the beginning.
        possible: at the first step of a beat, which decisions can be true; boolean ``(batch, steps, tracks, 2 bars)``.

    """

    now: Tensor
    before: Tensor
    possible: Tensor

    def of_track(self, track: int) -> tuple[Tensor, Tensor]:
        """Return where a track's beats return, and where their rhythms alone do: boolean ``(..., steps)``."""
        now, bars = self.now[..., track], self.possible.shape[-1] // 2
        return (now > 0) & (now <= bars), now > bars


def describe_returns(cells: Tensor, started: Tensor, bars: int, shape: RollShape) -> Returns:
    """Describe the beats of phrases that return.

    Args:
        cells: notes, boolean ``(batch, steps, tracks, rows)``.
        started: those that start, of the same shape.
        bars: from how many bars before beats return, at most.
        shape: of the phrases.

    """
    unit, steps = shape.unit, cells.shape[1]
    sounded = F.pad(cells, (0, 0, 0, 0, 1, 0))[:, :steps:unit]  # before each beat
    beats = torch.stack([cells, started], 2).unflatten(1, (-1, unit))
    sources = [
        F.pad(beats, (0, 0, 0, 0, 0, 0, 0, 0, ago * shape.beats, 0))[:, : beats.shape[1]] for ago in range(1, bars + 1)
    ]
    possible = can_return(sources, sounded)
    now = _first_equal(beats, sources, possible, bars).repeat_interleave(unit, 1)
    first = torch.arange(steps, device=cells.device) % unit == 0
    choices = torch.stack(possible, -1).repeat_interleave(unit, 1) & first[:, None, None]
    return Returns(now, F.pad(now, (0, 0, 1, 0))[:, :steps], choices)


def can_return(sources: Sequence[Tensor], sounded: Tensor) -> list[Tensor]:
    """Return whether beats of bars before can be played again.

    They sound, the notes that they only hold sound already, and they differ from those of later bars. A rhythm can
    return if notes start and it differs from those of later bars.

    Args:
        sources: of one bar before, of two, and so on: notes that sound and notes that start, boolean ``(..., steps, 2,
            tracks, rows)``.
        sounded: notes one step before the beat, boolean ``(..., tracks, rows)``.

    Returns:
        Boolean ``(..., tracks)`` for each decision.

    """
    possible: list[Tensor] = []
    for number, source in enumerate(sources):
        cells, started = source.unbind(-3)
        held = cells[..., 0, :, :] & ~started[..., 0, :, :]
        able = cells.any(-1).any(-2) & ~(held & ~sounded).any(-1)
        for other, earlier in zip(sources[:number], possible, strict=True):
            able = able & ~(earlier & _equal(other, source))
        possible.append(able)
    rhythms = [_strikes(source) for source in sources]
    for number, rhythm in enumerate(rhythms):
        able = rhythm.any(-2)
        for other in rhythms[:number]:
            able = able & (other != rhythm).any(-2)
        possible.append(able)
    return possible


class ReturningBeats:
    """Beats that return, while phrases are composed.

    Args:
        bars: from how many bars before beats return, at most.
        shape: of the phrases.
        batch: number of phrases.
        tracks: number of tracks.
        device: of the phrases.

    Attributes:
        now: the number of the decision that is true, of this beat for tracks that have decided, else of the beat
            before: int64 ``(batch, tracks)``.
        everywhere: whether each track's beat returns in all phrases, so that nothing is to be decided.

    """

    def __init__(self, bars: int, shape: RollShape, batch: int, tracks: int, device: torch.device) -> None:
        self._shape = shape
        self._ago = [number * shape.steps for number in range(1, bars + 1)]
        self.now = torch.zeros(batch, tracks, dtype=torch.int64, device=device)
        self.everywhere = [False] * tracks
        self._beats: list[tuple[Tensor, Tensor] | None] = [None] * tracks
        self._rhythms: list[tuple[Tensor, Tensor] | None] = [None] * tracks
        self._sources: list[Tensor] = []
        self._possible: list[Tensor] = []

    def begin(self, cells: Tensor, onsets: Tensor, given: Given, step: int) -> None:
        """Look at a beat that begins: what can return, and whether what is known does.

        Args:
            cells: what was composed, boolean ``(batch, steps, tracks, rows)``.
            onsets: of the same shape.
            given: what is known.
            step: the first of the beat.

        """
        unit, tracks = self._shape.unit, len(self.everywhere)
        self.everywhere, self._beats, self._rhythms = [False] * tracks, [None] * tracks, [None] * tracks
        here = [slice(step - ago, step - ago + unit) for ago in self._ago if ago <= step]
        self._sources = [torch.stack([cells[:, place], onsets[:, place]], 2) for place in here]
        sounded = cells[:, step - 1] if step else torch.zeros_like(cells[:, 0])
        self._possible = can_return(self._sources, sounded)
        known = given.known[:, step]
        if not bool(known.any()):
            return
        notes = given.cells[:, step : step + unit]
        starts = notes & ~torch.cat([sounded[:, None], notes[:, :-1]], 1)
        if given.onsets is not None:
            starts |= notes & given.onsets[:, step : step + unit]
        true = _first_equal(torch.stack([notes, starts], 2), self._sources, self._possible, len(self._ago))
        self.now = torch.where(known, true, self.now)

    def decide(self, track: int, logits: Tensor, limits: Tensor, free: Tensor) -> None:
        """Decide whether a track's beat returns.

        Args:
            track: its number.
            logits: of each decision, ``(batch, 2 bars)``.
            limits: a neuron fires where its logit is larger, ``(2 bars, batch)``.
            free: where the beat is not known, boolean ``(batch,)``.

        """
        bars, sources = len(self._ago), len(self._sources)  # in the first bars there are fewer sources
        numbers = [*range(sources), *range(bars, bars + sources)]
        fires = [
            (logits[:, number] > limits[number]) & possible[:, track] & free
            for number, possible in zip(numbers, self._possible, strict=True)
        ]
        decided = _first(fires, numbers, self.now[:, track])
        self.now[:, track] = torch.where(free, decided, self.now[:, track])
        back, alike = (decided > 0) & (decided <= bars), decided > bars
        if not bool((decided > 0).any()):
            return
        beats = torch.stack([source[:, :, :, track] for source in self._sources])
        chosen = beats[(decided - 1).clamp(min=0) % bars, torch.arange(len(decided), device=decided.device)]
        if bool(back.any()):
            self._beats[track] = back, chosen.float()
            self.everywhere[track] = bool((back | ~free).all())
        if bool(alike.any()):
            self._rhythms[track] = alike, chosen[:, :, 1].any(-1)

    def returning(self, track: int, step: int) -> tuple[Tensor, Tensor] | None:
        """Return where a track's beat returns, boolean ``(batch,)``, and its notes in a step; None: nowhere.

        The notes are those that sound and those that start, ``(batch, 2, rows)``, zeros and ones.
        """
        beat = self._beats[track]
        return None if beat is None else (beat[0], beat[1][:, step % self._shape.unit])

    def rhythm(self, track: int, step: int) -> tuple[Tensor, Tensor] | None:
        """Return where rhythms of a track return: where notes start, and where none does, boolean ``(batch,)``."""
        rhythm = self._rhythms[track]
        if rhythm is None:
            return None
        strikes = rhythm[1][:, step % self._shape.unit]
        return rhythm[0] & strikes, rhythm[0] & ~strikes

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places, at the end of a beat."""
        self.now.index_copy_(0, places, self.now.index_select(0, rows))


def _equal(beat: Tensor, other: Tensor) -> Tensor:
    """Return whether tracks play the same: boolean ``(..., steps, 2, tracks, rows)`` to ``(..., tracks)``."""
    return (beat == other).all(-1).all(-2).all(-2)


def _strikes(beat: Tensor) -> Tensor:
    """Return where a note of a track starts: boolean ``(..., steps, 2, tracks, rows)`` to ``(..., steps, tracks)``."""
    return beat[..., 1, :, :].any(-1)


def _first_equal(beat: Tensor, sources: Sequence[Tensor], possible: Sequence[Tensor], bars: int) -> Tensor:
    """Return the number of the first decision that is true, of those that can be: int64 ``(..., tracks)``."""
    rhythm = _strikes(beat)
    same = [_equal(beat, source) for source in sources]
    same += [(rhythm == _strikes(source)).all(-2) for source in sources]
    true = [able & equal for able, equal in zip(possible, same, strict=True)]
    numbers = [*range(len(sources)), *range(bars, bars + len(sources))]
    return _first(true, numbers, torch.zeros_like(beat[..., 0, 0, :, 0], dtype=torch.int64))


def _first(fires: Sequence[Tensor], numbers: Sequence[int], like: Tensor) -> Tensor:
    """Return the number of the first that is true, from 1; 0 where none is."""
    first = torch.zeros_like(like)
    for number, fired in reversed(list(zip(numbers, fires, strict=True))):
        first = torch.where(fired, number + 1, first)
    return first
