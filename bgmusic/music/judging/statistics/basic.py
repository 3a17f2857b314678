"""Basic statistics of phrases: the distribution of every metric, not only its mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from bgmusic.music.judging import metrics
from bgmusic.music.judging.metrics.distributions import Distribution, deviation, distance
from bgmusic.music.judging.metrics.notes import sounding
from bgmusic.music.judging.metrics.packed import PackedRolls
from bgmusic.music.judging.statistics.statistic import Statistic
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.rolls.phrases import Phrases

_CELLS = 1 << 23  # of a batch of phrases
_FAMILIES = {
    "bar repetition": "form",
    "drums in pattern": "rhythm",
    "empty bars": "texture",
    "groove consistency": "form",
    "in-scale rate": "harmony",
    "intervals between tracks": "counterpoint",
    "note lengths": "rhythm",
    "notes per bar": "texture",
    "onset positions": "rhythm",
    "pitch": "melody",
    "pitch classes per phrase": "harmony",
    "pitch classes per step": "harmony",
    "pitches used per bar": "melody",
    "polyphony": "texture",
    "qualified notes": "rhythm",
    "tonal distance": "harmony",
    "voices": "texture",
    "voices per track": "texture",
}


def statistics(phrases: Phrases) -> tuple[Statistic, ...]:
    """Return the basic statistics of phrases, in a fixed order.

    Phrases of one track set and shape have the same number of parts. Voices, lengths, pitch classes, scales and
    intervals are those of the pitched tracks; times are in beats. Phrases are read in batches, so that memory does not
    grow with their number.
    """
    size = max(1, _CELLS // int(np.prod(phrases.cells.shape[1:])))
    batches = [_of_batch(phrases[start : start + size]) for start in range(0, len(phrases), size)]
    return tuple(_join(versions) for versions in zip(*batches, strict=True))


@dataclass(frozen=True, eq=False)
class _Values:
    """A statistic of a batch before its distribution is made.

    Each part holds observations ``(n, k)``, or the counts ``(n, v)`` of ``values``.
    """

    name: str
    parts: tuple[Tensor, ...]
    core: bool = False
    values: Tensor | None = None


def _join(versions: Sequence[_Values]) -> Statistic:
    first = versions[0]
    parts = [torch.cat(batches) for batches in zip(*(version.parts for version in versions), strict=True)]
    if first.values is None:
        made = tuple(Distribution.from_observations(part) for part in parts)
    else:
        made = tuple(Distribution.from_histogram(part, first.values) for part in parts)
    return Statistic(first.name, made, first.core, _FAMILIES[first.name])


def _of_batch(phrases: Phrases) -> list[_Values]:
    """Compute the statistics of a batch of phrases."""
    given = to_tensors(phrases)
    cells = sounding(given.cells, given.onsets)
    begins = metrics.note_begins(given.cells, given.onsets, given.drums)
    low, resolution = phrases.track_set.low, phrases.resolution
    pitched = (~given.drums).nonzero().flatten().tolist()
    drums = given.drums.nonzero().flatten().tolist()
    packed = PackedRolls(cells)
    steps = torch.arange(cells.shape[3]) / resolution
    found = [
        _Values("notes per bar", (metrics.notes_per_bar(begins).sum(1),), True),
        _Values("onset positions", (metrics.onset_position_histogram(begins),), True, steps),
        _Values("voices per track", _tracks(metrics.voices(packed).flatten(2)), True),
        _Values("empty bars", _tracks(packed.per_pitch.amax(-1).eq(0)), True),
        _Values("pitches used per bar", _tracks(metrics.pitches_used(packed))),
        _Values("groove consistency", (metrics.groove_consistency(begins)[:, None],)),
        _Values("bar repetition", (metrics.bar_repetition(begins)[:, None],)),
    ]
    if pitched:
        onsets = None if given.onsets is None else given.onsets[:, pitched]
        found += _pitched_statistics(cells[:, pitched], begins[:, pitched], onsets, low, resolution)
    if drums:
        rates = metrics.drum_in_pattern_rate(begins[:, drums], resolution)
        found.append(_Values("drums in pattern", _tracks(rates)))
    return found


def _pitched_statistics(
    cells: Tensor, begins: Tensor, onsets: Tensor | None, low: int, resolution: int
) -> list[_Values]:
    """Return the statistics of pitched tracks; those of pairs if there are two tracks or more."""
    packed = PackedRolls(cells)
    shortest = metrics.shortest_qualified(resolution)
    lengths = metrics.note_length_histogram(cells, begins)
    beats = torch.arange(1, lengths.shape[1]) / resolution
    classes = metrics.chroma(packed, low).sum((1, 2)).ne(0).sum(-1, keepdim=True)
    pitches = PackedRolls(begins).per_pitch.sum(2).unbind(1)
    per_step = metrics.pitch_classes_per_step(cells, low)
    found = [
        _Values("note lengths", (lengths[:, 1:],), True, beats),
        _Values("voices", (metrics.voices(packed).sum(1).flatten(1),), True),
        _Values("pitch classes per step", (per_step.flatten(1),), True),
        _Values("pitch classes per phrase", (classes,), True),
        _Values("qualified notes", _tracks(metrics.qualified_note_rate(packed, shortest, onsets)), True),
        _Values("polyphony", _tracks(metrics.polyphony_rate(packed)), True),
        _Values("in-scale rate", (metrics.in_scale_rate(packed, low)[:, None],)),
        _Values("pitch", pitches, False, torch.arange(low, low + begins.shape[-1])),
    ]
    pairs = list(combinations(range(cells.shape[1]), 2))
    if pairs:
        distances = metrics.tonal_distance(packed, low, resolution)
        intervals = tuple(metrics.interval_histogram(cells[:, a], cells[:, b]) for a, b in pairs)
        span = cells.shape[-1]
        found += [
            _Values("intervals between tracks", intervals, True, torch.arange(1 - span, span)),
            _Values("tonal distance", tuple(distances[:, a, b, None] for a, b in pairs), True),
        ]
    return found


def mean_distance(samples: tuple[Statistic, ...], data: tuple[Statistic, ...]) -> float:
    """Return the mean of ``distance`` over the core statistics and those of their parts that the data have.

    Both must be statistics of phrases of one track set and shape, with at least one observation in the data.
    """
    means = []
    for sampled, real in zip(samples, data, strict=True):
        parts = [distance(p, q, deviation(q)) for p, q in zip(sampled.parts, real.parts, strict=True) if q]
        if sampled.core and parts:
            means.append(torch.stack(parts).mean())
    return float(torch.stack(means).mean())


def _tracks(values: Tensor) -> tuple[Tensor, ...]:
    """Split values ``(n, tracks)`` or ``(n, tracks, k)`` into observations of each track."""
    return tuple(track.flatten(1) for track in values.unsqueeze(-1).unbind(1))
