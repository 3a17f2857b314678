"""Statistics of melody: intervals within each track.

A polyphonic track counts with its top line. A move is the step from one note of a line to the next; the rates count
moves to another pitch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.judging.statistics.statistic import Occasions, Statistic, categories, histogram, rate
from bgmusic.music.judging.statistics.view import Moves, PhraseView

FAMILY = "melody"
OCTAVE = 12
STEP, THIRD, FIFTH = 2, 4, 7  # semitones
DISSONANT_LEAPS = (6, 10, 11)  # a tritone and the sevenths
CLASSES = ("leap down", "skip down", "step down", "repeat", "step up", "skip up", "leap up")


def melody(view: PhraseView) -> list[Statistic]:
    """Return the statistics of melodic intervals: values in semitones, rates against moves."""
    moves, n = view.moves, view.count
    widest = OCTAVE + 1
    clipped = moves.interval.clamp(-widest, widest)
    changed = moves.chosen(moves.interval != 0)
    size = changed.interval.abs()
    at = _occasions(changed, view.names)
    leaps = torch.isin(size, torch.tensor(DISSONANT_LEAPS))
    return [
        histogram(
            "melodic intervals",
            FAMILY,
            moves.row,
            clipped + widest,
            torch.arange(-widest, widest + 1),
            n,
            moves.track,
            len(view.names),
        ),
        rate("moves by step", FAMILY, "moves", size <= STEP, at, n, "less"),
        rate("leaps of a tritone or seventh", FAMILY, "moves", leaps, at, n, "more"),
        rate("leaps over a fifth", FAMILY, "moves", size > FIFTH, at, n, "more"),
        rate("leaps over an octave", FAMILY, "moves", size > OCTAVE, at, n, "more"),
        *_successions(moves, changed, view),
    ]


def _successions(moves: Moves, changed: Moves, view: PhraseView) -> list[Statistic]:
    """Return the statistics of two moves in a row."""
    n = view.count
    classes = interval_classes(moves.interval)
    both = classes[:-1][moves.follows] * len(CLASSES) + classes[1:][moves.follows]
    labels = [f"{first}, {second}" for first in CLASSES for second in CLASSES]
    at = _occasions(changed.chosen(_after_first(changed)), view.names)
    before, after = changed.interval[:-1][changed.follows], changed.interval[1:][changed.follows]
    turns = before * after < 0
    leap = before.abs() > THIRD
    return [
        categories("pairs of melodic intervals", FAMILY, moves.row[1:][moves.follows], both, labels, n),
        rate("turns of the melody", FAMILY, "pairs of moves", turns, at, n),
        rate("leaps left by step, turning", FAMILY, "leaps", (turns & (after.abs() <= STEP))[leap], at.chosen(leap), n),
    ]


def interval_classes(interval: Tensor) -> Tensor:
    """Return the class of intervals in semitones, as a position in ``CLASSES``: repeat, step, skip (third) or leap."""
    size = interval.abs()
    rank = (size > 0).long() + (size > STEP).long() + (size > THIRD).long()
    return len(CLASSES) // 2 + interval.sign() * rank


def _after_first(moves: Moves) -> Tensor:
    """Return a mask of the moves that follow another one."""
    return torch.cat([torch.zeros(min(1, len(moves.row)), dtype=torch.bool), moves.follows])


def _occasions(moves: Moves, names: tuple[str, ...]) -> Occasions:
    return Occasions(moves.row, moves.step, lambda entry: (names[int(moves.track[entry])],))
