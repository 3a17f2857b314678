"""Basic statistics of phrases: the distribution of every metric, not only its mean."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor

from bgmusic.music.judging import metrics
from bgmusic.music.judging.metrics.distributions import Distribution, deviation, distance
from bgmusic.music.judging.metrics.notes import sounding
from bgmusic.music.judging.metrics.packed import PackedRolls
from bgmusic.music.judging.statistics.statistic import Statistic
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.rolls.phrases import Phrases

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
    intervals are those of the pitched tracks; times are in beats.
    """
    given = to_tensors(phrases)
    cells = sounding(given.cells, given.onsets)
    begins = metrics.note_begins(given.cells, given.onsets, given.drums)
    low, resolution = phrases.track_set.low, phrases.resolution
    pitched = (~given.drums).nonzero().flatten().tolist()
    drums = given.drums.nonzero().flatten().tolist()
    packed = PackedRolls(cells)
    steps = torch.arange(cells.shape[3]) / resolution
    found = [
        Statistic("notes per bar", (_observed(metrics.notes_per_bar(begins).sum(1)),), True),
        Statistic(
            "onset positions", (Distribution.from_histogram(metrics.onset_position_histogram(begins), steps),), True
        ),
        Statistic("voices per track", _tracks(metrics.voices(packed).flatten(2)), True),
        Statistic("empty bars", _tracks(packed.per_pitch.amax(-1).eq(0)), True),
        Statistic("pitches used per bar", _tracks(metrics.pitches_used(packed))),
        Statistic("groove consistency", (_observed(metrics.groove_consistency(begins)[:, None]),)),
        Statistic("bar repetition", (_observed(metrics.bar_repetition(begins)[:, None]),)),
    ]
    if pitched:
        onsets = None if given.onsets is None else given.onsets[:, pitched]
        found += _pitched_statistics(cells[:, pitched], begins[:, pitched], onsets, low, resolution)
    if drums:
        rates = metrics.drum_in_pattern_rate(begins[:, drums], resolution)
        found.append(Statistic("drums in pattern", _tracks(rates)))
    return tuple(replace(statistic, family=_FAMILIES[statistic.name]) for statistic in found)


def _pitched_statistics(
    cells: Tensor, begins: Tensor, onsets: Tensor | None, low: int, resolution: int
) -> list[Statistic]:
    """Return the statistics of pitched tracks; those of pairs if there are two tracks or more."""
    packed = PackedRolls(cells)
    shortest = metrics.shortest_qualified(resolution)
    lengths = metrics.note_length_histogram(cells, begins)
    beats = torch.arange(1, lengths.shape[1]) / resolution
    classes = metrics.chroma(packed, low).sum((1, 2)).ne(0).sum(-1, keepdim=True)
    per_step = metrics.pitch_classes_per_step(cells, low)
    found = [
        Statistic("note lengths", (Distribution.from_histogram(lengths[:, 1:], beats),), True),
        Statistic("voices", (_observed(metrics.voices(packed).sum(1).flatten(1)),), True),
        Statistic("pitch classes per step", (_observed(per_step.flatten(1)),), True),
        Statistic("pitch classes per phrase", (_observed(classes),), True),
        Statistic("qualified notes", _tracks(metrics.qualified_note_rate(packed, shortest, onsets)), True),
        Statistic("polyphony", _tracks(metrics.polyphony_rate(packed)), True),
        Statistic("in-scale rate", (_observed(metrics.in_scale_rate(packed, low)[:, None]),)),
        Statistic("pitch", _pitches(begins, low)),
    ]
    pairs = list(combinations(range(cells.shape[1]), 2))
    if pairs:
        distances = metrics.tonal_distance(packed, low, resolution)
        found += [
            Statistic("intervals between tracks", tuple(_intervals(cells, a, b) for a, b in pairs), True),
            Statistic("tonal distance", tuple(_observed(distances[:, a, b, None]) for a, b in pairs), True),
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


def _observed(values: Tensor) -> Distribution:
    return Distribution.from_observations(values)


def _tracks(values: Tensor) -> tuple[Distribution, ...]:
    """Return one distribution for each track of values ``(n, tracks)`` or ``(n, tracks, k)``."""
    return tuple(_observed(track.flatten(1)) for track in values.unsqueeze(-1).unbind(1))


def _pitches(begins: Tensor, low: int) -> tuple[Distribution, ...]:
    """Return the MIDI pitches of each track's notes."""
    counts = PackedRolls(begins).per_pitch.sum(2)
    pitches = torch.arange(low, low + begins.shape[-1])
    return tuple(Distribution.from_histogram(track, pitches) for track in counts.unbind(1))


def _intervals(rolls: Tensor, one: int, other: int) -> Distribution:
    """Return the intervals in semitones from one track up to another."""
    span = rolls.shape[-1]
    counts = metrics.interval_histogram(rolls[:, one], rolls[:, other])
    return Distribution.from_histogram(counts, torch.arange(1 - span, span))
