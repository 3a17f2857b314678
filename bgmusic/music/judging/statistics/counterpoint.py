"""Statistics of counterpoint: how two tracks move together.

Each track counts with its top line. A move of a pair is a pair of neighbouring steps in which both lines sound, and at
least one of them changes its pitch. Parallels are counted against the moves in which both change.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.judging.statistics.statistic import Occasions, Statistic, categories, rate
from bgmusic.music.judging.statistics.view import PhraseView

FAMILY = "counterpoint"
OCTAVE, FIFTH = 12, 7
MOTIONS = ("oblique", "contrary", "similar", "parallel")
INTERVALS = ("unison or octave", "m2", "M2", "m3", "M3", "P4", "tritone", "P5", "m6", "M6", "m7", "M7")


def counterpoint(view: PhraseView) -> list[Statistic]:
    """Return the statistics of pairs of tracks; none if there are fewer than two pitched tracks."""
    if not view.pairs:
        return []
    one, other = (torch.tensor(tracks) for tracks in zip(*view.pairs, strict=True))
    a, b = view.line[:, one], view.line[:, other]
    both = (a >= 0) & (b >= 0)
    moved_a, moved_b = a.diff(dim=-1), b.diff(dim=-1)
    chances = both[..., 1:] & both[..., :-1] & ((moved_a != 0) | (moved_b != 0))
    row, pair, step = chances.nonzero(as_tuple=True)
    first, second = moved_a[chances], moved_b[chances]
    interval = (a - b)[..., 1:][chances].abs() % OCTAVE
    motion = kinds_of_motion(first, second)
    names = [(view.names[i], view.names[j]) for i, j in view.pairs]
    at = Occasions(row, step + 1, lambda entry: names[int(pair[entry])])
    changed = (first != 0) & (second != 0)
    parallel = motion == MOTIONS.index("parallel")
    direct = (motion == MOTIONS.index("similar")) & ((interval == 0) | (interval == FIFTH))
    n, moves = view.count, at.chosen(changed)
    return [
        categories("kinds of motion", FAMILY, row, motion, MOTIONS, n, pair, len(names)),
        categories("parallel intervals", FAMILY, row[parallel], interval[parallel], INTERVALS, n),
        rate("parallel fifths", FAMILY, "moves of a pair", (parallel & (interval == FIFTH))[changed], moves, n, "more"),
        rate("parallel octaves", FAMILY, "moves of a pair", (parallel & (interval == 0))[changed], moves, n, "more"),
        rate("similar motion into a fifth or octave", FAMILY, "moves of a pair", direct[changed], moves, n, "more"),
        _crossing(view, a, b, names),
    ]


def kinds_of_motion(first: Tensor, second: Tensor) -> Tensor:
    """Return the kind of motion of pairs of melodic intervals in semitones, as a position in ``MOTIONS``."""
    similar = torch.where(first == second, MOTIONS.index("parallel"), MOTIONS.index("similar"))
    moving = torch.where(first * second < 0, MOTIONS.index("contrary"), similar)
    return torch.where(first * second == 0, MOTIONS.index("oblique"), moving)


def _crossing(view: PhraseView, a: Tensor, b: Tensor, names: list[tuple[str, str]]) -> Statistic:
    """Return the rate of steps in which a track sounds below a later one of the track set."""
    crossed = (a < b) & (a >= 0)
    sounds = view.bass >= 0
    row, step = sounds.nonzero(as_tuple=True)
    which = crossed.to(torch.uint8).argmax(1)[sounds]
    at = Occasions(row, step, lambda entry: names[int(which[entry])])
    return rate("crossing tracks", FAMILY, "steps", crossed.any(1)[sounds], at, view.count, "more")
