"""Beats that return: a track plays a beat as one bar before, or two, by a single decision.

Loops repeat to the last note, and a composer that decides step by step hardly ever does: it would have to be right each
time. Here binary neurons decide at the beginning of each beat whether it is that of one bar before, then whether it is
that of two bars before, and so on. If it is not, they decide whether it doubles another track (:mod:`.doubles`), then
whether its rhythm alone returns, with notes that are chosen anew. Only what is new is decided, and computed.

These decisions have numbers, from 1: ``bars`` for beats that return, those of doubles, ``bars`` for rhythms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.causal.doubles import can_double, describe_doubles, double, source_tracks, sources
from bgmusic.music.networks.causal.state import StepState
from bgmusic.music.networks.causal.task import Given
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.composer.decisions.base import cross_entropy
from bgmusic.music.rolls.shape import RollShape


def count_decisions(settings: CausalConfig, drums: Sequence[bool]) -> int:
    """Return how many decisions there are for a beat; 0 where beats do not return."""
    return 2 * settings.returns + (len(sources(drums)) if settings.doubles else 0)


def kinds_of_decisions(settings: CausalConfig, drums: Sequence[bool]) -> list[int]:
    """Return the kind of each decision: 0 exactly, 1 as a double, 2 in rhythm."""
    bars = settings.returns
    return [0] * bars + [1] * (count_decisions(settings, drums) - 2 * bars) + [2] * bars


@dataclass(frozen=True)
class Returns:
    """Which beats of phrases return; see :func:`describe_returns`.

    Attributes:
        now: of the beat of each step, the number of the decision that is true, 0 for a new one; int64 ``(batch, steps,
            tracks)``.
        before: the same of the step before, 0 at the beginning.
        possible: at the first step of a beat, which decisions can be true; boolean ``(batch, steps, tracks,
            decisions)``.
        bars: from how many bars before beats return, at most.

    """

    now: Tensor
    before: Tensor
    possible: Tensor
    bars: int

    def flat(self) -> Returns:
        """Return the same with batch and steps joined."""
        return Returns(self.now.flatten(0, 1), self.before.flatten(0, 1), self.possible.flatten(0, 1), self.bars)

    def of_track(self, track: int) -> tuple[Tensor, Tensor]:
        """Return where a track's notes follow from the decision, and where rhythms return: boolean ``(..., steps)``."""
        now, rhythms = self.now[..., track], self.possible.shape[-1] - self.bars
        return (now > 0) & (now <= rhythms), now > rhythms


def describe_returns(
    cells: Tensor, started: Tensor, known: Tensor, playable: Tensor, settings: CausalConfig, shape: RollShape
) -> Returns:
    """Describe the beats of phrases that return.

    Args:
        cells: notes, boolean ``(batch, steps, tracks, rows)``.
        started: those that start, of the same shape.
        known: steps of tracks that are known in advance, boolean ``(batch, steps, tracks)``; they double nothing, since
            what they would double may not be known.
        playable: rows within each track's range, boolean ``(batch, tracks, rows)``.
        settings: of the composer.
        shape: of the phrases.

    """
    unit, steps, bars = shape.unit, cells.shape[1], settings.returns
    sounded = F.pad(cells, (0, 0, 0, 0, 1, 0))[:, :steps:unit]  # before each beat
    beats = torch.stack([cells, started], 2).unflatten(1, (-1, unit))
    ago = [
        F.pad(beats, (0, 0, 0, 0, 0, 0, 0, 0, ago * shape.beats, 0))[:, : beats.shape[1]] for ago in range(1, bars + 1)
    ]
    backs, rhythms = can_return(ago, sounded)
    same_backs, same_rhythms = _equals(beats, ago)
    can: list[Tensor] = []
    does: list[Tensor] = []
    if settings.doubles:
        able, doubled = describe_doubles(cells, started, playable, shape)
        can, does = [*(able & ~known[:, ::unit, :, None]).unbind(-1)], [*doubled.unbind(-1)]
    possible = torch.stack([*backs, *can, *rhythms], -1)
    true = torch.stack([*same_backs, *does, *same_rhythms], -1) & possible
    now = first_of(true.movedim(-1, 0)).repeat_interleave(unit, 1)
    first = torch.arange(steps, device=cells.device) % unit == 0
    choices = possible.repeat_interleave(unit, 1) & first[:, None, None]
    return Returns(now, F.pad(now, (0, 0, 1, 0))[:, :steps], choices, bars)


def can_return(ago: Sequence[Tensor], sounded: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return whether beats of bars before can be played again, and whether their rhythms can.

    They sound, the notes that they only hold sound already, and they differ from those of later bars. A rhythm can
    return if notes start and it differs from those of later bars.

    Args:
        ago: beats of one bar before, of two, and so on: notes that sound and that start, boolean ``(..., steps, 2,
            tracks, rows)``.
        sounded: notes one step before the beat, boolean ``(..., tracks, rows)``.

    Returns:
        Boolean ``(..., tracks)`` for each bar before.

    """
    possible: list[Tensor] = []
    for number, source in enumerate(ago):
        cells, started = source.unbind(-3)
        held = cells[..., 0, :, :] & ~started[..., 0, :, :]
        able = cells.any(-1).any(-2) & ~(held & ~sounded).any(-1)
        for other, earlier in zip(ago[:number], possible, strict=True):
            able = able & ~(earlier & _equal(other, source))
        possible.append(able)
    strikes, rhythms = [_strikes(source) for source in ago], []
    for number, rhythm in enumerate(strikes):
        able = rhythm.any(-2)
        for other in strikes[:number]:
            able = able & (other != rhythm).any(-2)
        rhythms.append(able)
    return possible, rhythms


class ReturningBeats:
    """Beats that return, while phrases are composed.

    Args:
        settings: of the composer.
        shape: of the phrases.
        playable: rows within each track's range, boolean ``(batch, tracks, rows)``.

    Attributes:
        now: the number of the decision that is true, of this beat for tracks that have decided, else of the beat
            before: int64 ``(batch, tracks)``.
        follows: where each track's notes follow from its decision, boolean ``(batch,)``; None: nowhere.
        everywhere: whether they do in all phrases, so that nothing else is decided.

    """

    def __init__(self, settings: CausalConfig, shape: RollShape, playable: Tensor) -> None:
        batch, tracks = playable.shape[:2]
        self._shape, self._playable = shape, playable.unbind(1)
        self._bars = [number * shape.steps for number in range(1, settings.returns + 1)]
        self._doubles = sources(shape.drums) if settings.doubles else []
        self._sources = source_tracks(shape.drums) if settings.doubles else []
        self.now = torch.zeros(batch, tracks, dtype=torch.int64, device=playable.device)
        self._now, self._places = self.now.unbind(1), torch.arange(batch, device=playable.device)
        self._never = torch.zeros(len(self._doubles), batch, tracks, dtype=torch.bool, device=playable.device)
        self._ago: list[Tensor] = []
        self._forget()

    def _forget(self) -> None:
        tracks = self.now.shape[1]
        self.everywhere = [False] * tracks
        self.follows: list[Tensor | None] = [None] * tracks
        self._back: list[tuple[Tensor, Sequence[Tensor]] | None] = [None] * tracks
        self._doubled: list[list[tuple[Tensor, int, int]]] = [[] for _ in range(tracks)]
        self._rhythms: list[list[tuple[Tensor, Tensor]] | None] = [None] * tracks

    def begin(self, cells: Tensor, onsets: Tensor, given: Given, step: int) -> None:
        """Look at a beat that begins: what can return, and whether what is known does.

        Args:
            cells: what was composed, boolean ``(batch, steps, tracks, rows)``.
            onsets: of the same shape.
            given: what is known.
            step: the first of the beat.

        """
        unit = self._shape.unit
        self._forget()
        here = [slice(step - ago, step - ago + unit) for ago in self._bars if ago <= step]
        self._ago = [torch.stack([cells[:, place], onsets[:, place]], 2) for place in here]
        sounded = cells[:, step - 1] if step else torch.zeros_like(cells[:, 0])
        possible = [self._of_bars(able) for able in can_return(self._ago, sounded)]
        self._backs, self._alike = (able.unbind(2) for able in possible)
        known = given.known[:, step]
        if not bool(known.any()):
            return
        notes = given.cells[:, step : step + unit]
        starts = notes & ~torch.cat([sounded[:, None], notes[:, :-1]], 1)
        if given.onsets is not None:
            starts |= notes & given.onsets[:, step : step + unit]
        same = _equals(torch.stack([notes, starts], 2), self._ago)
        backs, rhythms = (able & self._of_bars(equal) for able, equal in zip(possible, same, strict=True))
        self.now.copy_(torch.where(known, first_of(torch.cat([backs, self._never, rhythms])), self.now))

    def _of_bars(self, found: Sequence[Tensor]) -> Tensor:
        """Stack what was found for the bars before this one; none is found for bars before the first."""
        never = [torch.zeros_like(self.now, dtype=torch.bool)] * (len(self._bars) - len(found))
        return torch.stack([*found, *never])

    def decide(self, track: int, logits: Tensor, limits: Tensor, free: Tensor, state: StepState) -> None:
        """Decide whether a track's beat returns.

        Args:
            track: its number.
            logits: of each decision, ``(batch, decisions)``.
            limits: a neuron fires where its logit is larger, ``(decisions, batch)``.
            free: where the beat is not known, boolean ``(batch,)``.
            state: the first step, in which the tracks before this one have decided.

        """
        bars, rhythms = len(self._bars), len(self._bars) + len(self._doubles)
        able, playable = [self._backs[track]], self._playable[track]
        if self._doubles and not self._shape.drums[track]:
            able += [can_double(state.tracks[source].cells > 0, playable) for source in self._sources if source < track]
        missing = rhythms - sum(map(len, able))
        able += [self._never[:missing, :, track], self._alike[track]]
        decided = first_of((logits.t() > limits) & torch.cat(able) & free)
        now, found = self._now[track], set(decided.tolist()) - {0}
        now.copy_(torch.where(free, decided, now))
        if not found:
            return
        follows = (decided > 0) & (decided <= rhythms)
        self.follows[track], self.everywhere[track] = follows, bool((follows | ~free).all())
        for number in sorted(found):
            if bars < number <= rhythms:
                self._doubled[track].append(((decided == number)[:, None, None], *self._doubles[number - bars - 1]))
        first, last = min(found), max(found)
        if first <= bars or last > rhythms:
            alike = decided > rhythms
            ago = torch.where(alike, decided - rhythms, decided).clamp(1, len(self._ago)) - 1
            chosen = torch.stack([beat[:, :, :, track] for beat in self._ago])[ago, self._places]
            if first <= bars:
                back = follows & (decided <= bars)
                self._back[track] = back[:, None, None], chosen.float().unbind(1)
            if last > rhythms:
                strikes = chosen[:, :, 1].any(-1)
                starts, others = ((alike[:, None] & where).unbind(1) for where in (strikes, ~strikes))
                self._rhythms[track] = list(zip(starts, others, strict=True))

    def follow(self, track: int, where: Tensor, number: Tensor) -> None:
        """Take over decisions of an earlier phrase: their numbers, int64 ``(batch,)``, boolean where they are taken."""
        now = self._now[track]
        now.copy_(torch.where(where, number, now))

    def returning(self, track: int, step: int, state: StepState) -> tuple[Tensor, Tensor] | None:
        """Return where a track's notes follow from its decision, and its notes; None: nowhere.

        Args:
            track: its number.
            step: number of the step.
            state: the step, in which the tracks before this one have decided.

        Returns:
            Boolean ``(batch, 1, 1)``; notes that sound and that start, ``(batch, 2, rows)``, zeros and ones.

        """
        back, found = self._back[track], None
        if back is not None:
            found = back[0], back[1][step % self._shape.unit]
        for doubled, source, up in self._doubled[track]:
            cells, starts = (state.tracks[source].planes > 0).unbind(1)
            before = state.tracks[track].sounded > 0
            notes = torch.stack(double(cells, starts.any(-1), before, self._playable[track], up), 1).float()
            found = (doubled, notes) if found is None else (doubled | found[0], torch.where(doubled, notes, found[1]))
        return found

    def rhythm(self, track: int, step: int) -> tuple[Tensor, Tensor] | None:
        """Return where rhythms of a track return: where notes start, and where none does, boolean ``(batch,)``."""
        rhythm = self._rhythms[track]
        return None if rhythm is None else rhythm[step % self._shape.unit]

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places, at the end of a beat."""
        self.now.index_copy_(0, places, self.now.index_select(0, rows))


def _equal(beat: Tensor, other: Tensor) -> Tensor:
    """Return whether tracks play the same: boolean ``(..., steps, 2, tracks, rows)`` to ``(..., tracks)``."""
    return (beat == other).all(-1).all(-2).all(-2)


def _strikes(beat: Tensor) -> Tensor:
    """Return where a note of a track starts: boolean ``(..., steps, 2, tracks, rows)`` to ``(..., steps, tracks)``."""
    return beat[..., 1, :, :].any(-1)


def _equals(beat: Tensor, ago: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return whether beats are those of bars before, and whether their rhythms are: boolean ``(..., tracks)`` each."""
    rhythm = _strikes(beat)
    return [_equal(beat, other) for other in ago], [(rhythm == _strikes(other)).all(-2) for other in ago]


def first_of(true: Tensor) -> Tensor:
    """Return the number of the first that is true, from 1; 0 where none is: boolean ``(n, ...)`` to int64 ``(...)``."""
    return torch.where(true.any(0), true.to(torch.uint8).argmax(0) + 1, 0)


def first_loss(logits: Tensor, label: Tensor, possible: Tensor) -> Tensor:
    """Return the losses of decisions of which the first one that is true is the last: ``(items,)``.

    Args:
        logits: ``(items, decisions)``.
        label: number of the one that is true, from 1; 0 for none; int64 ``(items,)``.
        possible: which are decided at all, boolean ``(items, decisions)``.

    """
    numbers = torch.arange(1, logits.shape[1] + 1, device=logits.device)
    decided = possible & ((label[:, None] == 0) | (numbers <= label[:, None]))
    losses: Tensor = (cross_entropy(logits, (numbers == label[:, None]).float()) * decided).sum(1)
    return losses
