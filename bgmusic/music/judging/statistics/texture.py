"""Statistics of texture: notes of each track, tracks that play together, registers, and the span of pitches."""

from __future__ import annotations

import torch

from bgmusic.music.judging.statistics.statistic import Statistic, histogram
from bgmusic.music.judging.statistics.view import PhraseView

FAMILY = "texture"
MOST_NOTES = 64
_PARTS = 8  # of a semitone, in registers


def texture(view: PhraseView) -> list[Statistic]:
    """Return the statistics of texture.

    Notes per bar above 64 count as 64. The span is in semitones, on beats. The register of a track is the mean of its
    sounding pitches in a phrase: phrases that are each too high or too low differ from the data in this alone.
    """
    n, tracks = view.all_begins.shape[:2]
    notes = view.all_begins.sum(-1).unflatten(2, (view.bars, view.steps)).sum(-1)
    row, track, _ = torch.ones_like(notes).nonzero(as_tuple=True)
    counts = notes.flatten().clamp(max=MOST_NOTES)
    active = (notes > 0).sum(1)
    bars = torch.ones_like(active).nonzero()[:, 0]
    found = [
        histogram("notes per bar of each track", FAMILY, row, counts, torch.arange(MOST_NOTES + 1), n, track, tracks),
        histogram("active tracks per bar", FAMILY, bars, active.flatten(), torch.arange(tracks + 1), n),
    ]
    if len(view.pitched):
        top, bass = view.line.amax(1)[:, view.beats], view.bass[:, view.beats]
        heard = bass >= 0
        pitches = torch.arange(view.cells.shape[-1])
        found.append(histogram("span from bass to top", FAMILY, heard.nonzero()[:, 0], (top - bass)[heard], pitches, n))
        found.append(_registers(view))
    return found


def _registers(view: PhraseView) -> Statistic:
    """Return the mean sounding pitch of each pitched track in each phrase, in eighths of a semitone."""
    n, tracks, _, pitches = view.cells.shape
    durations = view.cells.sum(2)
    heard = durations.sum(-1)
    row, track = heard.nonzero(as_tuple=True)
    total = (durations * torch.arange(pitches)).sum(-1)[row, track]
    index = (_PARTS * total / heard[row, track]).round().long()
    values = view.low + torch.arange(_PARTS * (pitches - 1) + 1) / _PARTS
    return histogram("register of each track", FAMILY, row, index, values, n, track, tracks)
