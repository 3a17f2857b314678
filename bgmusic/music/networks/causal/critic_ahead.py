"""Describe how music leads to what is known of the next beat: a planned chord and its bass, and lines that are given.

A critic chooses among drafts after each beat. Without these it would learn only later that a draft can't go on well.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from bgmusic.music.networks.causal.critic_features import Summary, fold_rows
from bgmusic.music.networks.causal.rows import at_next_beat, given_lines
from bgmusic.music.networks.keys import semitones_up
from bgmusic.music.rolls.shape import RollShape

_CLASSES = 12
_FAR = 3  # semitones to the nearest note of a chord; larger distances are one class
_QUARTERS = 4  # of a beat
_MOTIONS = 4  # of a given line to the next beat: none, up, down, still
_PAIRS = 12  # ordered pairs of tracks at most


@dataclass(frozen=True)
class Known:
    """What is known of phrases in advance, in the common key.

    Attributes:
        chords: planned chords and their basses as rows, boolean ``(batch, steps, 2, rows)``; nothing where unknown.
        lines: highest notes of given tracks, int64 ``(batch, steps, tracks)``; -1 for a rest and where not given.
        up: semitones up from the common key to that of the phrase, int64 ``(batch,)``.

    """

    chords: Tensor
    lines: Tensor
    up: Tensor

    @property
    def anything(self) -> bool:
        """Whether a chord or a note is known."""
        return bool(self.chords.any()) or bool((self.lines >= 0).any())

    def select(self, rows: Tensor) -> Known:
        """Return the phrases of the given numbers, int64 ``(n,)``."""
        return Known(self.chords[rows], self.lines[rows], self.up[rows])

    def repeated(self, drafts: int) -> Known:
        """Return each phrase ``drafts`` times in a row."""
        return Known(*(values.repeat_interleave(drafts, 0) for values in vars(self).values()))


def what_is_known(cells: Tensor, free: Tensor, chords: Tensor, keys: Tensor, shape: RollShape) -> Known:
    """Return what is known of phrases.

    Args:
        cells: notes, boolean ``(batch, steps, tracks, rows)``; those of free units are not looked at.
        free: units that are not given, boolean ``(batch, tracks, units)``.
        chords: planned chords, see :func:`bgmusic.music.networks.causal.rows.planned_rows`.
        keys: of the phrases, int64 ``(batch,)``.
        shape: of the phrases.

    """
    return Known(chords > 0.5, given_lines(cells, free, shape), semitones_up(keys))


@dataclass(frozen=True)
class Ahead:
    """What is known of the beat after each step.

    Attributes:
        distances: classes of the distance of each pitch class of the common key to the chord, 0 for no chord, int64
            ``(batch, steps, 12)``; times 2, and 1 more where the chord is a new one.
        bass: pitch class of its bass, -1 for none, int64 ``(batch, steps)``.
        lines: given lines at the first step of the beat, int64 ``(batch, steps, tracks)``; -1 for none.
        motions: what they do until then, of ``_MOTIONS``, int64, of the same shape.
        quarters: how much of this beat is over, int64 ``(steps,)``.

    """

    distances: Tensor
    bass: Tensor
    lines: Tensor
    motions: Tensor
    quarters: Tensor

    @staticmethod
    def of(known: Known, shape: RollShape) -> Ahead:
        """Return what is known ahead."""
        folded = fold_rows(known.chords)
        now, (chord, bass) = folded[:, :, 0], at_next_beat(folded, shape).unbind(2)
        distances = torch.full_like(chord, 1 + _FAR, dtype=torch.int64)
        for distance in reversed(range(_FAR)):
            near = chord.roll(distance, -1) | chord.roll(-distance, -1)
            distances = torch.where(near, 1 + distance, distances)
        distances = torch.where(chord.any(-1, keepdim=True), distances, 0)
        changes = (now != chord).any(-1, keepdim=True).long()
        lines = at_next_beat(known.lines, shape, -1)
        moved = 1 + torch.where(lines > known.lines, 0, torch.where(lines < known.lines, 1, 2))
        return Ahead(
            distances * 2 + changes,
            torch.where(bass.any(-1), bass.to(torch.uint8).argmax(-1), -1),
            lines,
            torch.where((lines >= 0) & (known.lines >= 0), moved, 0),
            torch.arange(chord.shape[1], device=chord.device) % shape.unit * _QUARTERS // shape.unit,
        )

    def here(self, steps: slice) -> Ahead:
        """Return some of the steps."""
        return Ahead(
            self.distances[:, steps],
            self.bass[:, steps],
            self.lines[:, steps],
            self.motions[:, steps],
            self.quarters[steps],
        )


def _pairs(shape: RollShape) -> list[tuple[int, int]]:
    pitched = shape.drums.count(False)
    return list(permutations(range(pitched), 2))[:_PAIRS]


def ahead_sizes(shape: RollShape) -> list[int]:
    """Return the number of categories of each column of :func:`describe_ahead`."""
    pitched = shape.drums.count(False)
    if not pitched:
        return []
    of_lines = [2 * (2 + _FAR) * _QUARTERS] * pitched
    return [(_CLASSES + 1) * _QUARTERS, *of_lines, *[(_CLASSES + 1) * _MOTIONS] * len(_pairs(shape))]


def describe_ahead(steps: Summary, ahead: Ahead, shape: RollShape) -> Tensor:
    """Describe how the lowest note and each track's line lead to the next beat: int64 ``(batch, steps, features)``.

    Args:
        steps: of the phrases.
        ahead: of these steps.
        shape: of the phrases.

    """
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    if not pitched:
        return steps.bass.new_zeros(*steps.bass.shape, 0)
    both = (steps.bass >= 0) & (ahead.bass >= 0)
    bass = torch.where(both, (ahead.bass - steps.bass) % _CLASSES, _CLASSES)
    distances = ahead.distances.gather(-1, steps.line.clamp(min=0) % _CLASSES)
    distances = torch.where(steps.line >= 0, distances, 0)
    of_chord = torch.cat([bass[..., None], distances], -1) * _QUARTERS + ahead.quarters[:, None]
    one, other = torch.tensor(_pairs(shape), dtype=torch.int64, device=bass.device).view(-1, 2).unbind(1)
    lines, given = steps.line[..., one], ahead.lines[..., pitched][..., other]
    last = (ahead.quarters == _QUARTERS - 1)[:, None]
    known = (lines >= 0) & (given >= 0) & last
    intervals = torch.where(known, (given - lines) % _CLASSES, _CLASSES)
    motions = torch.where(known, ahead.motions[..., pitched][..., other], 0)
    return torch.cat([of_chord, intervals * _MOTIONS + motions], -1)
