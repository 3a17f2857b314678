"""Statistics of rhythm: patterns of onsets, their return, syncopation, and tracks that strike together."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.statistics.statistic import Occasions, Statistic, categories, histogram, rate
from bgmusic.music.judging.statistics.view import PhraseView

FAMILY = "rhythm"
LAGS = (1, 2)
"""Bars after which the return of a rhythm is measured."""
PER_OCTAVE, WIDEST = 4, 4  # bins of a ratio of two, and the largest ratio, as a power of two
_SLOTS = (6, 4, 5, 3, 2, 1)  # parts of a beat that a pattern tells apart


def rhythm(view: PhraseView) -> list[Statistic]:
    """Return the statistics of the onsets of each track, drums included; a chord is one onset."""
    struck = view.all_begins.any(-1)
    n, tracks = struck.shape[:2]
    return [
        _ratios(struck),
        _beat_patterns(view, struck),
        *(_returns(view, struck, lag) for lag in LAGS if lag < view.bars),
        *([_syncopation(view)] if len(view.pitched) else []),
        _together(struck, n, tracks),
    ]


def _ratios(struck: Tensor) -> Statistic:
    """Return the ratios of successive durations, from onset to onset in each track: powers of two, -4 to 4."""
    row, track, step = struck.nonzero(as_tuple=True)
    n, tracks = struck.shape[:2]
    same = (row[1:] == row[:-1]) & (track[1:] == track[:-1])
    gaps = step.diff().double()
    three = same[1:] & same[:-1]
    ratio = (gaps[1:][three] / gaps[:-1][three]).log2()
    edge = PER_OCTAVE * WIDEST
    index = (ratio * PER_OCTAVE).round().long().clamp(-edge, edge) + edge
    values = torch.arange(-edge, edge + 1).double() / PER_OCTAVE
    return histogram("ratios of durations", FAMILY, row[2:][three], index, values, n, track[2:][three], tracks)


def _beat_patterns(view: PhraseView, struck: Tensor) -> Statistic:
    """Return the sets of onsets within a quarter, for each track; quarters without onsets are left out."""
    n, tracks = struck.shape[:2]
    quarter = view.resolution
    slots = next(slots for slots in _SLOTS if quarter % slots == 0)
    # The last quarter of a bar may be shorter.
    bars = F.pad(struck.unflatten(2, (view.bars, view.steps)), (0, -view.steps % quarter))
    hits = bars.unflatten(-1, (-1, slots, quarter // slots)).any(-1)
    pattern = (hits * (1 << torch.arange(slots))).sum(-1).flatten(2)
    row, track, _ = pattern.nonzero(as_tuple=True)
    labels = ["".join("x" if mask >> slot & 1 else "." for slot in range(slots)) for mask in range(1 << slots)]
    return categories("beat patterns", FAMILY, row, pattern[pattern > 0], labels, n, track, tracks)


def _returns(view: PhraseView, struck: Tensor, lag: int) -> Statistic:
    """Return how often the onsets of a bar return ``lag`` bars later, for each track; silent pairs are left out."""
    bars = struck.unflatten(2, (view.bars, view.steps))
    first, second = bars[:, :, :-lag], bars[:, :, lag:]
    row, track, bar = (first | second).any(-1).nonzero(as_tuple=True)
    equal = (first == second).all(-1)[row, track, bar]
    name = "bar rhythms that return in the next bar" if lag == 1 else f"bar rhythms that return {lag} bars later"
    return histogram(name, FAMILY, row, equal.long(), torch.arange(2), len(struck), track, struck.shape[1])


def _syncopation(view: PhraseView) -> Statistic:
    """Return the share of onsets off the beat that are held over the next beat, over pitched tracks.

    A held-over onset is one without another onset in its track up to and on the next beat, at which the track still
    sounds. Onsets after the last beat are left out.
    """
    row, track, step = view.strikes.nonzero(as_tuple=True)
    place = torch.searchsorted(view.beats, step)
    known = place < len(view.beats)
    row, track, step, beat = row[known], track[known], step[known], view.beats[place[known]]
    struck = view.strikes.cumsum(-1)
    again = struck[row, track, beat] - struck[row, track, step] > 0
    sounds = view.line[row, track, beat] >= 0
    at = Occasions(row, step, lambda entry: (view.names[int(track[entry])],))
    return rate("syncopation", FAMILY, "onsets", (beat > step) & ~again & sounds, at, view.count)


def _together(struck: Tensor, phrases: int, tracks: int) -> Statistic:
    """Return the number of tracks that strike at each step with an onset."""
    count = struck.sum(1)
    hit = count > 0
    values = torch.arange(tracks + 1)
    return histogram("tracks that strike together", FAMILY, hit.nonzero()[:, 0], count[hit], values, phrases)
