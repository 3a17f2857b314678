"""Statistics of drums: instruments, patterns that return, and fills. Their rhythms count in ``rhythm`` too."""

from __future__ import annotations

import torch

from bgmusic.music.judging.statistics.statistic import Statistic, categories, histogram
from bgmusic.music.judging.statistics.view import PhraseView

FAMILY = "rhythm"
LAGS = (1, 2, 4)


def drums(view: PhraseView) -> list[Statistic]:
    """Return the statistics of drum tracks, one part for each of them; none without drum tracks."""
    tracks = len(view.drums)
    if not tracks:
        return []
    row, track, _, pitch = view.hits.nonzero(as_tuple=True)
    pitches = [f"pitch {view.low + number}" for number in range(view.hits.shape[-1])]
    found = [categories("drum instruments", FAMILY, row, pitch, pitches, view.count, track, tracks)]
    bars = view.hits.unflatten(2, (view.bars, view.steps)).flatten(3)
    heard = bars.any(-1)
    for lag in (lag for lag in LAGS if lag < view.bars):
        equal = (bars[:, :, lag:] == bars[:, :, :-lag]).all(-1)
        row, track, bar = (heard[:, :, lag:] | heard[:, :, :-lag]).nonzero(as_tuple=True)
        name = "drum bars that return in the next bar" if lag == 1 else f"drum bars that return {lag} bars later"
        returns = equal[row, track, bar].long()
        found.append(histogram(name, FAMILY, row, returns, torch.arange(2), view.count, track, tracks))
    if view.bars > 2:
        # A fill: a bar that differs from two equal neighbours.
        framed = heard[:, :, 2:] & (bars[:, :, 2:] == bars[:, :, :-2]).all(-1)
        row, track, bar = framed.nonzero(as_tuple=True)
        fills = (bars[:, :, 1:-1] != bars[:, :, 2:]).any(-1)[row, track, bar].long()
        found.append(histogram("drum fills", FAMILY, row, fills, torch.arange(2), view.count, track, tracks))
    return found
