"""Statistics of form: how bars return, and how one bar continues into the next."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.judging.statistics.chords import chord_table
from bgmusic.music.judging.statistics.melody import OCTAVE, STEP
from bgmusic.music.judging.statistics.statistic import Occasions, Statistic, categories, histogram, rate, share_bins
from bgmusic.music.judging.statistics.view import PhraseView

FAMILY = "form"
LAGS = (1, 2, 3, 4, 8, 16)
"""Distances in bars at which bars are compared, as far as the phrase reaches."""


def form(view: PhraseView) -> list[Statistic]:
    """Return the statistics of form; none for phrases of one bar."""
    if view.bars == 1:
        return []
    begins = view.all_begins.unflatten(2, (view.bars, view.steps))
    found = [
        _alike("bars alike", view, begins.transpose(1, 2).flatten(2).float()),
        _alike("rhythms alike", view, begins.any(-1).transpose(1, 2).flatten(2).float()),
        _literal(begins),
    ]
    if len(view.pitched):
        found += [_alike("harmonies alike", view, view.chroma), *_over_bar_lines(view), _held(view)]
    return found


def _alike(name: str, view: PhraseView, bars: Tensor) -> Statistic:
    """Return the similarity of bars, one part for each lag.

    The similarity of two bars is twice the sum of the smaller values over the sum of all: for notes, twice the notes in
    common over the notes of both. Silent pairs of bars are left out.
    """
    rows, indices, parts, values = [], [], [], torch.zeros(0)
    lags = [lag for lag in LAGS if lag < view.bars]
    for part, lag in enumerate(lags):
        first, second = bars[:, :-lag], bars[:, lag:]
        total = first.sum(-1) + second.sum(-1)
        heard = total > 0
        share = 2 * torch.minimum(first, second).sum(-1)[heard] / total[heard]
        index, values = share_bins(share)
        rows.append(heard.nonzero()[:, 0])
        indices.append(index)
        parts.append(torch.full_like(index, part))
    row, index, part_of = (torch.cat(entries) for entries in (rows, indices, parts))
    return histogram(f"{name}, by distance", FAMILY, row, index, values, view.count, part_of, len(lags))


def _literal(begins: Tensor) -> Statistic:
    """Return how often a bar is repeated literally in the next one, for each track; silent pairs are left out."""
    first, second = begins[:, :, :-1].flatten(3), begins[:, :, 1:].flatten(3)
    row, track, bar = (first | second).any(-1).nonzero(as_tuple=True)
    equal = (first == second).all(-1)[row, track, bar]
    n, tracks = begins.shape[:2]
    return histogram("bars repeated literally", FAMILY, row, equal.long(), torch.arange(2), n, track, tracks)


def _over_bar_lines(view: PhraseView) -> list[Statistic]:
    """Return how lines and chords lead over bar lines.

    Sizes of the melodic intervals in semitones (13: more than an octave), the share of steps among the moves to another
    pitch, and the motion of the root from the last beat of a bar to the first of the next, if both chords have a name.
    """
    moves, n = view.moves, view.count
    over = moves.chosen(moves.step // view.steps > moves.start // view.steps)
    size = over.interval.abs()
    changed = size > 0
    at = Occasions(over.row, over.step, lambda entry: (view.names[int(over.track[entry])],)).chosen(changed)
    roots = chord_table()[1][view.sets]
    first = torch.arange(view.steps, view.time, view.steps)
    last = view.beats[torch.searchsorted(view.beats, first) - 1]
    before, after = roots[:, last], roots[:, first]
    named = (before >= 0) & (after >= 0)
    motion = ((after - before) % OCTAVE)[named]
    labels = [f"{interval} up" for interval in range(OCTAVE)]
    sizes = torch.arange(OCTAVE + 2)
    return [
        histogram("intervals over bar lines", FAMILY, over.row, size.clamp(max=OCTAVE + 1), sizes, n),
        rate("moves over bar lines by step", FAMILY, "moves", size[changed] <= STEP, at, n, "less"),
        categories("root motion over bar lines", FAMILY, named.nonzero()[:, 0], motion, labels, n),
    ]


def _held(view: PhraseView) -> Statistic:
    """Return how often a pitched track that sounds before a bar line holds a note over it."""
    lines = torch.arange(view.steps, view.time, view.steps)
    before, after = view.cells[:, :, lines - 1], view.cells[:, :, lines]
    row, track, line = before.any(-1).nonzero(as_tuple=True)
    held = (before & after & ~view.begins[:, :, lines]).any(-1)[row, track, line]
    at = Occasions(row, lines[line], lambda entry: (view.names[int(track[entry])],))
    return rate("notes held over bar lines", FAMILY, "bar lines", held, at, view.count)
