"""What phrases are compared by: the distribution of every metric, not its average.

A statistic is kept as counts of its values in each phrase, so that a set of phrases, any part of it, and any
resampling of it (a bootstrap) is a weighted sum of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging import metrics
from bgmusic.music.judging.metrics.lanes import Lanes
from bgmusic.music.judging.metrics.notes import sounding
from bgmusic.music.rolls.phrases import Phrases

# The standard deviation of the data counts as at least this: nearly constant statistics would swamp all others.
LEAST_DEVIATION = 0.05
_MOST_COUNTS = 1 << 23  # of a part; 64 MiB
_FEWEST_VALUES = 256  # that are told apart, however many phrases there are
_BINS = 30  # of a histogram, where a statistic takes more values than that


@dataclass(frozen=True, eq=False)
class Part:
    """One distribution: how often each of ``values`` ``(v,)``, ascending, occurs in a phrase: ``counts`` ``(n, v)``."""

    values: Tensor
    counts: Tensor

    @staticmethod
    def of(values: Tensor) -> Part:
        """The part of observations ``(n, k)`` of each phrase; NaN is none."""
        values = values.double()
        seen = ~values.isnan()
        distinct, place = values[seen].unique(return_inverse=True)
        if len(values) * len(distinct) > _MOST_COUNTS:
            # Of thousands of phrases hardly two have one tonal distance. Places on an even grid are near enough then.
            bins = max(_FEWEST_VALUES, _MOST_COUNTS // len(values))
            low, high = distinct[0], distinct[-1]
            on_grid = ((values[seen] - low) / (high - low) * (bins - 1)).round()
            distinct, place = (low + on_grid / (bins - 1) * (high - low)).unique(return_inverse=True)
        counts = torch.zeros(len(values), len(distinct), dtype=torch.float64)
        rows = torch.arange(len(values)).unsqueeze(1).expand_as(values)[seen]
        return Part(distinct, counts.index_put_((rows, place), torch.ones(1, dtype=torch.float64), accumulate=True))

    @staticmethod
    def of_counts(counts: Tensor, values: Tensor) -> Part:
        """The part of a histogram ``(n, v)`` whose bins are at ``values`` ``(v,)``."""
        return Part(values.double(), counts.double())

    def __bool__(self) -> bool:
        return bool(self.counts.any())

    def mean(self) -> float:
        """The mean over all phrases; NaN where nothing was observed."""
        counts = self.counts.sum(0)
        return float(counts @ self.values / counts.sum())


def deviation(*parts: Part) -> float:
    """The standard deviation over all that was observed in some parts together; 0 where that is nothing."""
    values, counts = torch.cat([part.values for part in parts]), torch.cat([part.counts.sum(0) for part in parts])
    weights = counts / counts.sum().clamp(min=1)
    return float((weights @ (values - weights @ values).square()).clamp(min=0).sqrt())


@dataclass(frozen=True, eq=False)
class Statistic:
    """A metric's distribution: one part, or one for each track or pair of tracks.

    ``core`` marks the twelve that the mean distance of an evaluation is taken over. What they leave out is told
    beside them.
    """

    name: str
    parts: tuple[Part, ...]
    core: bool = False


def statistics(phrases: Phrases) -> tuple[Statistic, ...]:
    """All statistics of some phrases, in a fixed order; the same number of parts for phrases of one form.

    Voices, lengths, pitch classes, scales and intervals are of the pitched tracks; times are in beats.
    """
    cells = sounding(phrases.cells, phrases.onsets)
    begins = metrics.note_begins(phrases.cells, phrases.onsets, phrases.drums)
    low, resolution = phrases.track_set.low, phrases.resolution
    pitched = (~phrases.drums).nonzero().flatten().tolist()
    drums = phrases.drums.nonzero().flatten().tolist()
    lanes = Lanes(cells)
    steps = torch.arange(cells.shape[3]) / resolution
    found = [
        Statistic("notes per bar", (Part.of(metrics.notes_per_bar(begins).sum(1)),), True),
        Statistic("onset positions", (Part.of_counts(metrics.onset_position_histogram(begins), steps),), True),
        Statistic("voices per track", _tracks(metrics.voices(lanes).flatten(2)), True),
        Statistic("empty bars", _tracks(lanes.per_pitch.amax(-1).eq(0)), True),
        Statistic("pitches used per bar", _tracks(metrics.pitches_used(lanes))),
        Statistic("groove consistency", (Part.of(metrics.groove_consistency(begins)[:, None]),)),
        Statistic("bar repetition", (Part.of(metrics.bar_repetition(begins)[:, None]),)),
    ]
    if pitched:
        voiced, onsets = cells[:, pitched], begins[:, pitched]
        inner = Lanes(voiced)
        distances = metrics.tonal_distance(inner, low, resolution)
        shortest = metrics.shortest_qualified(resolution)
        begun = None if phrases.onsets is None else phrases.onsets[:, pitched]
        heard = metrics.voices(inner).sum(1).flatten(1)
        lengths = metrics.note_length_histogram(voiced, onsets)
        classes = metrics.chroma(inner, low).sum((1, 2)).ne(0).sum(-1, keepdim=True)
        pairs = list(combinations(range(len(pitched)), 2))
        found += [
            Statistic(
                "note lengths",
                (Part.of_counts(lengths[:, 1:], torch.arange(1, lengths.shape[1]) / resolution),),
                True,
            ),
            Statistic("voices", (Part.of(heard),), True),
            Statistic(
                "pitch classes per step", (Part.of(metrics.pitch_classes_per_step(voiced, low).flatten(1)),), True
            ),
            Statistic("pitch classes per phrase", (Part.of(classes),), True),
            Statistic("qualified notes", _tracks(metrics.qualified_note_rate(inner, shortest, begun)), True),
            Statistic("polyphony", _tracks(metrics.polyphony_rate(inner)), True),
            Statistic("in-scale rate", (Part.of(metrics.in_scale_rate(inner, low)[:, None]),)),
            Statistic("pitch", _pitches(onsets, low)),
        ]
        if pairs:
            found += [
                Statistic("intervals between tracks", tuple(_intervals(voiced, a, b) for a, b in pairs), True),
                Statistic("tonal distance", tuple(Part.of(distances[:, a, b, None]) for a, b in pairs), True),
            ]
    if drums:
        rates = metrics.drum_in_pattern_rate(begins[:, drums], resolution)
        found.append(Statistic("drums in pattern", _tracks(rates)))
    return tuple(found)


def _tracks(values: Tensor) -> tuple[Part, ...]:
    """One part for each track of values ``(n, tracks)`` or ``(n, tracks, k)``."""
    return tuple(Part.of(track.flatten(1)) for track in values.unsqueeze(-1).unbind(1))


def _pitches(onsets: Tensor, low: int) -> tuple[Part, ...]:
    """For each track, its notes' MIDI pitches."""
    counts = Lanes(onsets).per_pitch.sum(2)
    pitches = torch.arange(low, low + onsets.shape[-1])
    return tuple(Part.of_counts(track, pitches) for track in counts.unbind(1))


def _intervals(rolls: Tensor, one: int, other: int) -> Part:
    span = rolls.shape[-1]
    return Part.of_counts(metrics.interval_histogram(rolls[:, one], rolls[:, other]), torch.arange(1 - span, span))


def distance(
    part: Part, data: Part, deviation: float, weights: Tensor | None = None, data_weights: Tensor | None = None
) -> Tensor:
    """Wasserstein-1 distance of two distributions over the data's standard deviation: 0 or more, 0 is best.

    ``deviation`` counts as 0.05 at least. ``weights`` ``(r, n)`` say how often each phrase counts in each of ``r``
    resamplings (None: once, in one); shape ``(r,)``. Where nothing at all was observed the value counts as 0: silence
    has notes of length 0. In one dimension the distance is the area between the distribution functions (Vallender,
    "Calculation of the Wasserstein distance between probability distributions on the line", 1974).
    """
    values, a, b = _pooled(part, data, weights, data_weights)
    area = ((a.cumsum(-1) - b.cumsum(-1)).abs()[:, :-1] * values.diff()).sum(-1)
    return area / max(deviation, LEAST_DEVIATION)


def mean_distance(found: tuple[Statistic, ...], data: tuple[Statistic, ...]) -> float:
    """The mean over the core statistics, and over their parts that the data have, of ``distance``: 0 or more.

    Both are of phrases of one form, with one observation in the data at least.
    """
    means = []
    for of, real in zip(found, data, strict=True):
        parts = [distance(p, q, deviation(q)) for p, q in zip(of.parts, real.parts, strict=True) if q]
        if of.core and parts:
            means.append(torch.stack(parts).mean())
    return float(torch.stack(means).mean())


def overlap(part: Part, data: Part) -> float:
    """The area that the histograms of two distributions share: 0 to 1, 1 is best.

    Yang and Lerch, "On the evaluation of generative models in music", 2020, section 4.3, by histograms (each value a
    bin of its own, or 30 bins of equal width) where they smooth with kernels.
    """
    values, a, b = _pooled(part, data, None, None)
    if len(values) > _BINS:
        width = (values[-1] - values[0]) / _BINS
        bins = F.one_hot(((values - values[0]) / width).long().clamp(max=_BINS - 1), _BINS).double()
        a, b = a @ bins, b @ bins
    return float(torch.minimum(a, b).sum())


def _pooled(part: Part, data: Part, weights: Tensor | None, data_weights: Tensor | None) -> tuple[Tensor, ...]:
    """Common values ``(v,)``, and the share of each in either: ``(r, v)``."""
    values = torch.cat([part.values, data.values, torch.zeros(1, dtype=torch.float64)]).unique()
    pooled = []
    for side, weight in ((part, weights), (data, data_weights)):
        chosen = side.counts.sum(0, keepdim=True) if weight is None else weight @ side.counts
        spread = torch.zeros(len(chosen), len(values), dtype=torch.float64)
        spread[:, torch.searchsorted(values, side.values)] = chosen
        nothing = spread.sum(1) == 0
        spread[nothing, torch.searchsorted(values, torch.zeros(1, dtype=torch.float64))] = 1.0
        pooled.append(spread / spread.sum(1, keepdim=True))
    return values, pooled[0], pooled[1]
