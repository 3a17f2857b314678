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

from bgmusic.music.networks.causal.doubles import can_double, describe_doubles, double, sources
from bgmusic.music.networks.causal.task import Given
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.rolls.shape import RollShape


def count_decisions(settings: CausalConfig, drums: Sequence[bool]) -> int:
    """Return how many decisions there are for a beat; 0 where beats do not return."""
    return 2 * settings.returns + (len(sources(drums)) if settings.doubles else 0)


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
    now = _first(true.unbind(-1), range(true.shape[-1])).repeat_interleave(unit, 1)
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
        self._shape, self._playable = shape, playable
        self._bars = [number * shape.steps for number in range(1, settings.returns + 1)]
        self._doubles = sources(shape.drums) if settings.doubles else []
        self.now = torch.zeros(batch, tracks, dtype=torch.int64, device=playable.device)
        self._ago: list[Tensor] = []
        self._possible: tuple[list[Tensor], list[Tensor]] = [], []
        self._forget()

    def _forget(self) -> None:
        tracks = self.now.shape[1]
        self.everywhere = [False] * tracks
        self.follows: list[Tensor | None] = [None] * tracks
        self._back: list[tuple[Tensor, Tensor] | None] = [None] * tracks
        self._doubled: list[list[tuple[Tensor, int, int]]] = [[] for _ in range(tracks)]
        self._rhythms: list[tuple[Tensor, Tensor] | None] = [None] * tracks

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
        self._possible = can_return(self._ago, sounded)
        known = given.known[:, step]
        if not bool(known.any()):
            return
        notes = given.cells[:, step : step + unit]
        starts = notes & ~torch.cat([sounded[:, None], notes[:, :-1]], 1)
        if given.onsets is not None:
            starts |= notes & given.onsets[:, step : step + unit]
        same = _equals(torch.stack([notes, starts], 2), self._ago)
        true = [able & equal for ables, equals in zip(self._possible, same, strict=True)
                for able, equal in zip(ables, equals, strict=True)]  # fmt: skip
        numbers = [*self._numbers(0), *self._numbers(len(self._bars) + len(self._doubles))]
        self.now = torch.where(known, _first(true, numbers, self.now), self.now)

    def _numbers(self, first: int) -> range:
        """Return the numbers of decisions for the bars before this one."""
        return range(first, first + len(self._ago))

    def decide(self, track: int, logits: Tensor, limits: Tensor, free: Tensor, cells: Tensor) -> None:
        """Decide whether a track's beat returns.

        Args:
            track: its number.
            logits: of each decision, ``(batch, decisions)``.
            limits: a neuron fires where its logit is larger, ``(decisions, batch)``.
            free: where the beat is not known, boolean ``(batch,)``.
            cells: notes of the first step, of the tracks before this one, ``(batch, tracks, rows)``, zeros and ones.

        """
        bars, rhythms = len(self._bars), len(self._bars) + len(self._doubles)
        possible = {number: able[:, track] for number, able in zip(self._numbers(0), self._possible[0], strict=True)}
        for number, (source, up) in enumerate(self._doubles, bars):
            if source < track and not self._shape.drums[track]:
                possible[number] = can_double(cells[:, source] > 0, self._playable[:, track], up)
        for number, able in zip(self._numbers(rhythms), self._possible[1], strict=True):
            possible[number] = able[:, track]
        fires = [(logits[:, number] > limits[number]) & able & free for number, able in possible.items()]
        decided = _first(fires, list(possible), self.now[:, track])
        self.now[:, track] = torch.where(free, decided, self.now[:, track])
        if not bool((decided > 0).any()):
            return
        follows = (decided > 0) & (decided <= rhythms)
        self.follows[track], self.everywhere[track] = follows, bool((follows | ~free).all())
        for number, (source, up) in enumerate(self._doubles, bars + 1):
            doubled = decided == number
            if bool(doubled.any()):
                self._doubled[track].append((doubled, source, up))
        back, alike = (decided > 0) & (decided <= bars), decided > rhythms
        if bool((back | alike).any()):
            ago = torch.where(alike, decided - rhythms, decided).clamp(1, len(self._ago)) - 1
            beats = torch.stack([beat[:, :, :, track] for beat in self._ago])
            chosen = beats[ago, torch.arange(len(ago), device=ago.device)]
            if bool(back.any()):
                self._back[track] = back, chosen.float()
            if bool(alike.any()):
                self._rhythms[track] = alike, chosen[:, :, 1].any(-1)

    def returning(self, track: int, step: int, planes: Tensor, sounded: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return where a track's notes follow from its decision, boolean ``(batch,)``, and its notes; None: nowhere.

        Args:
            track: its number.
            step: number of the step.
            planes: notes of tracks before this one that sound and that start, ``(batch, 2, tracks, rows)``.
            sounded: notes one step before, ``(batch, tracks, rows)``.

        Returns:
            The notes are those that sound and those that start, ``(batch, 2, rows)``, zeros and ones.

        """
        back, found = self._back[track], None
        if back is not None:
            found = back[0], back[1][:, step % self._shape.unit]
        for where, source, up in self._doubled[track]:
            strikes, before = planes[:, 1, source].amax(-1) > 0, sounded[:, track] > 0
            made = double(planes[:, 0, source] > 0, strikes, before, self._playable[:, track], up)
            notes = torch.stack(made, 1).float()
            if found is not None:
                where, notes = where | found[0], torch.where(where[:, None, None], notes, found[1])  # noqa: PLW2901
            found = where, notes
        return found

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


def _equals(beat: Tensor, ago: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return whether beats are those of bars before, and whether their rhythms are: boolean ``(..., tracks)`` each."""
    rhythm = _strikes(beat)
    return [_equal(beat, other) for other in ago], [(rhythm == _strikes(other)).all(-2) for other in ago]


def _first(fires: Sequence[Tensor], numbers: Sequence[int], like: Tensor | None = None) -> Tensor:
    """Return the number of the first that is true, from 1; 0 where none is. ``like`` gives the shape of none."""
    first = torch.zeros_like(fires[0] if like is None else like, dtype=torch.int64)
    for number, fired in reversed(list(zip(numbers, fires, strict=True))):
        first = torch.where(fired, number + 1, first)
    return first
