"""Statistics of harmonic progressions: what chord follows what, where chords rest, and cadences."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bgmusic.music.judging.statistics.chords import CHORDS, SILENCE, TRIADS, chord_table
from bgmusic.music.judging.statistics.statistic import Statistic, categories, histogram, rate
from bgmusic.music.judging.statistics.tonality import keys
from bgmusic.music.judging.statistics.view import PhraseView

FAMILY = "harmony"
CLASSES = 12
FIFTH = 7
HOLD = 2
"""Beats of a long hold."""
QUALITIES = ("major", "minor", "diminished")
MOST_CADENCES = 8
_QUALITY = {"major": 0, "minor": 1, "diminished": 2, "dominant seventh": 0, "minor seventh": 1, "major seventh": 0}
_QUALITY |= {"half-diminished seventh": 2, "diminished seventh": 2}
_DOMINANTS = [list(CHORDS).index(name) for name in ("major", "dominant seventh")]
_TONICS = [list(CHORDS).index(name) for name in ("major", "minor")]


def progressions(view: PhraseView) -> list[Statistic]:
    """Return the statistics of chords from beat to beat, of long holds, and of cadences."""
    n, types, roots = view.count, chord_table()[0][view.sets], chord_table()[1][view.sets]
    at_beats = view.sets[:, view.beats]
    heard = at_beats != 0
    both = heard[:, 1:] & heard[:, :-1]
    changed = at_beats[:, 1:] != at_beats[:, :-1]
    bass = view.bass[:, view.beats].diff(dim=1)[both & changed] % CLASSES
    semitones = [f"{interval} up" for interval in range(CLASSES)]
    quality = _qualities()[types[:, view.beats]]
    named = both & changed & (quality[:, 1:] >= 0) & (quality[:, :-1] >= 0)
    motion = (roots[:, view.beats].diff(dim=1) % CLASSES)[named]
    step = quality[:, :-1][named] * len(QUALITIES) + quality[:, 1:][named]
    labels = [f"{a} to {b}, root {c} up" for a in QUALITIES for b in QUALITIES for c in range(CLASSES)]
    return [
        rate(
            "beats with a new chord",
            FAMILY,
            "beats",
            changed[both],
            view.occasions(both, view.beats[1:]),
            n,
        ),
        categories("bass motion between chords", FAMILY, (both & changed).nonzero()[:, 0], bass, semitones, n),
        categories("chord progressions", FAMILY, named.nonzero()[:, 0], step * CLASSES + motion, labels, n),
        _holds(view, types),
        _cadences(view, types, roots),
    ]


def _holds(view: PhraseView, types: Tensor) -> Statistic:
    """Return the share of long holds on a triad: two beats or more in which no pitched track begins a note."""
    row, start = view.boundaries.nonzero(as_tuple=True)
    following = torch.cat([start[1:], start.new_tensor([view.time])])
    last = torch.cat([row[1:] != row[:-1], torch.tensor([True])])
    length = torch.where(last, view.time, following) - start
    held = torch.zeros_like(view.boundaries)
    held[row, start] = length >= HOLD * view.beat
    held &= types != SILENCE
    return rate(
        "long holds on a triad", FAMILY, "long holds", types[held] < TRIADS, view.occasions(held), view.count, "less"
    )


def _cadences(view: PhraseView, types: Tensor, roots: Tensor) -> Statistic:
    """Return the number of V-I cadences of each phrase.

    A cadence is a major triad or dominant seventh on a beat, and on the next beat, a strong one, the triad a fifth
    below, which is the tonic of the phrase's key and sounds for the beat without change.
    """
    tonic = keys(view.chroma.sum(1))[0].unsqueeze(1)
    new = view.boundaries.clone()
    new[:, 1:] |= (view.cells[:, :, 1:] != view.cells[:, :, :-1]).any(-1).any(1)
    beats = view.beats
    holds = torch.ones(view.count, len(beats), dtype=torch.bool)
    for later in range(1, view.beat):
        holds &= ~new[:, (beats + later).clamp(max=view.time - 1)]
    types, roots = types[:, beats], roots[:, beats]
    dominant = torch.isin(types, torch.tensor(_DOMINANTS))
    rests = torch.isin(types, torch.tensor(_TONICS)) & (roots == tonic) & holds & view.strong_beats
    found = dominant[:, :-1] & rests[:, 1:] & ((roots[:, :-1] + CLASSES - FIFTH) % CLASSES == roots[:, 1:])
    counts = found.sum(1).clamp(max=MOST_CADENCES)
    values = torch.arange(MOST_CADENCES + 1)
    cadences = histogram("V-I cadences", FAMILY, torch.arange(view.count), counts, values, view.count)
    return replace(cadences, unit="phrase", fault="less")


def _qualities() -> Tensor:
    """Return the quality of each chord type, a position in ``QUALITIES``, -1 for others: int64."""
    return torch.tensor([_QUALITY.get(name, -1) for name in CHORDS] + [-1] * 5)
