"""Judge drafts by what happens in them all in all, so that it is as frequent as in music.

Critics see a few bars at a time, and cannot count. So drafts have more pitch classes than music (stray notes, which
sound once and belong to no chord or scale around them), and their rhythms return less. What is counted here has
weights, learnt as those of rare events are: by maximum likelihood from what is composed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from bgmusic.music.networks.causal.critic_features import fold_rows
from bgmusic.music.networks.causal.critic_returns import BARS_AGO, number_notes, returning
from bgmusic.music.networks.causal.particles import Judge
from bgmusic.music.networks.causal.steps import describe_steps
from bgmusic.music.rolls.shape import RollShape

CLASSES = 12
BEATS = 8  # in which a class sounds; more of them weigh nothing
_LEAST_DEVIATION = 0.25


@dataclass(frozen=True)
class Counts:
    """What happens in a beat of phrases, or in all of them: float tensors that begin with ``(batch,)``.

    Attributes:
        entering: whether the first, second, ... pitch class enters: ``(batch, 12)``.
        beats: classes that sound in their first, second, ... beat: ``(batch, 8)``.
        notes: notes that start on the beat's first step, and on others: ``(batch, tracks, 2)``.
        sounding: whether the track sounds in the beat, and in the bar that it ends: ``(batch, tracks, 2)``.
        held: whether a note is held over the beat's beginning: on the first beat of a bar, on others:
            ``(batch, tracks, 2)``.
        rhythms: whether the beat, and the bar that it ends, has the rhythm of one and of two bars before:
            ``(batch, tracks, 2, 2)``, bars before first.
        again: the same of its notes.

    """

    entering: Tensor
    beats: Tensor
    notes: Tensor
    sounding: Tensor
    held: Tensor
    rhythms: Tensor
    again: Tensor


class RateWeights(nn.Module):
    """Weights of what is counted in phrases, for each standard deviation of real phrases.

    Args:
        tracks: number of tracks.

    """

    def __init__(self, tracks: int) -> None:
        super().__init__()
        sizes: dict[str, tuple[int, ...]] = {"entering": (CLASSES,), "beats": (BEATS,)}
        sizes |= dict.fromkeys(("notes", "sounding", "held"), (tracks, 2))
        sizes |= dict.fromkeys(("rhythms", "again"), (tracks, len(BARS_AGO), 2))
        for name, size in sizes.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(size)))
            self.register_buffer(f"{name}_deviation", torch.zeros(size))  # 0: none was seen

    def forward(self, counts: Counts) -> Tensor:
        """Return what phrases gain: ``(batch,)``."""
        gained = []
        for name, values in vars(counts).items():
            deviation = getattr(self, f"{name}_deviation")
            weights = getattr(self, name) / torch.where(deviation > 0, deviation, 1)
            gained.append((values * weights).flatten(1).sum(1))
        return torch.stack(gained).sum(0)

    def see(self, counts: Counts) -> None:
        """Keep the standard deviations of real phrases; only the first ones are seen."""
        for name, values in vars(counts).items():
            kept = cast("Tensor", getattr(self, f"{name}_deviation"))
            if not bool(kept.any()):
                kept.copy_(values.std(0, correction=0).clamp(min=_LEAST_DEVIATION))


class Rates(nn.Module):
    """Weights for phrases of which nothing is known in advance, and for all others, as there are two critics.

    Args:
        tracks: number of tracks.

    """

    def __init__(self, tracks: int) -> None:
        super().__init__()
        self.blank, self.known = RateWeights(tracks), RateWeights(tracks)

    def of(self, blank: Tensor) -> RateWeights:
        """Return the weights for phrases that are composed together, see :meth:`.critics.Critics.of`."""
        return self.blank if bool(blank.all()) else self.known


class Counter:
    """Count what happens in phrases, beat by beat.

    Args:
        number: of phrases.
        shape: of the phrases.
        device: where they are.

    """

    def __init__(self, number: int, shape: RollShape, device: torch.device) -> None:
        self._shape, self._done = shape, 0
        self._classes = torch.zeros(number, CLASSES, dtype=torch.int64, device=device)  # beats in which each sounded
        # Of each step and track: a number for its notes, and whether one starts.
        size = number, shape.bars * shape.steps, len(shape.track_set), 2
        self._played = torch.zeros(size, dtype=torch.int64, device=device)

    def __call__(self, cells: Tensor, starts: Tensor) -> Counts:
        """Count what happens in a further beat, see :class:`Judge`."""
        shape, first = self._shape, self._done
        self._done += shape.unit
        begins, ends = first % shape.steps == 0, self._done % shape.steps == 0
        self._played[:, first : self._done] = torch.stack([number_notes(cells, starts), starts.any(3).long()], -1)
        so_far = self._played[:, : self._done]
        found = returning(so_far.flatten(2), shape, shape.unit)[:, -1].float()  # of both kinds together: faster
        again, rhythms = found.unflatten(1, so_far.shape[2:]).unbind(2)
        notes, held = starts.float().sum(3), (cells & ~starts)[:, 0].any(2).float()
        beat, bar = (so_far[:, -steps:, :, 0].any(1).float() for steps in (shape.unit, shape.steps))
        return Counts(
            *self._count_classes(sounding_classes(cells, shape)[:, 0]),
            torch.stack([notes[:, 0], notes[:, 1:].sum(1)], -1),
            torch.stack([beat, bar * ends], -1),
            torch.stack([held * begins, held * (not begins)], -1),
            rhythms,
            again,
        )

    def _count_classes(self, sounding: Tensor) -> tuple[Tensor, Tensor]:
        before, self._classes = self._classes, self._classes + sounding
        number = torch.arange(1, CLASSES + 1, device=sounding.device)
        entered = [(number <= (beats > 0).sum(1, keepdim=True)).float() for beats in (before, self._classes)]
        beat = torch.arange(1, BEATS + 1, device=sounding.device)
        beats = ((self._classes * sounding)[:, :, None] == beat).sum(1).float()
        return entered[1] - entered[0], beats

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the phrases of the numbers ``rows`` in the given places."""
        self._classes, self._played = (
            values.index_copy(0, places, values.index_select(0, rows)) for values in (self._classes, self._played)
        )


class JudgedRates:
    """Judge drafts as another judge does, and by what is counted in them.

    Args:
        judge: the other one.
        weights: of what is counted.
        shape: of the phrases.
        drafts: number of all drafts.

    """

    def __init__(self, judge: Judge, weights: RateWeights, shape: RollShape, drafts: int) -> None:
        device = next(weights.parameters()).device
        self._judge, self._weights, self._counter = judge, weights, Counter(drafts, shape, device)
        self._gained = torch.zeros(drafts, device=device)

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Return the logits of the drafts with a further beat, see :class:`Judge`."""
        self._gained = self._gained + self._weights(self._counter(cells, starts))
        return self._judge(cells, starts) + self._gained

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places."""
        self._judge.replace(places, rows)
        self._counter.replace(places, rows)
        self._gained = self._gained.index_copy(0, places, self._gained.index_select(0, rows))


def count_phrases(cells: Tensor, onsets: Tensor | None, shape: RollShape) -> Counts:
    """Count what happens in whole phrases.

    Args:
        cells: notes, boolean ``(batch, steps, tracks, rows)``, in any key.
        onsets: of the same shape, see :func:`.steps.describe_steps`.
        shape: of the phrases.

    """
    counter, starts = Counter(len(cells), shape, cells.device), describe_steps(cells, onsets).started
    planes = zip(cells.split(shape.unit, 1), starts.split(shape.unit, 1), strict=True)
    beats = [vars(counter(*beat)).values() for beat in planes]
    return Counts(*(torch.stack(values).sum(0) for values in zip(*beats, strict=True)))


def sounding_classes(cells: Tensor, shape: RollShape) -> Tensor:
    """Return the pitch classes that sound in each beat, without drums: boolean ``(batch, beats, 12)``.

    Args:
        cells: notes, boolean ``(batch, steps, tracks, rows)``, in any key.
        shape: of the phrases.

    """
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    return fold_rows(cells[:, :, pitched].any(2).unflatten(1, (-1, shape.unit)).any(2))
