"""Metrics of piano-rolls.

Every metric takes boolean rolls ``(batch, tracks, bars, steps, pitches)`` on any device and computes all of them at
once. Select the tracks first (``rolls[:, pitched]``): a drum track has no scale. A metric is NaN where it is undefined,
such as the share of long notes of a track without notes; each docstring says when.

Raises:
    TypeError: rolls or onsets are not boolean tensors, or a number is not an integer.
    ValueError: the number of dimensions is wrong, the batch is empty, the shapes differ, or a number is out of range.

"""

from bgmusic.music.judging.metrics.counts import (
    empty_bar_rate,
    notes_per_bar,
    pitch_classes_used,
    pitches_used,
    polyphony_rate,
    qualified_note_rate,
    shortest_qualified,
    voices,
)
from bgmusic.music.judging.metrics.harmony import chroma, in_scale_rate, pitch_classes_per_step, tonal_distance
from bgmusic.music.judging.metrics.histograms import (
    interval_histogram,
    note_length_histogram,
    onset_position_histogram,
    pitch_class_histogram,
)
from bgmusic.music.judging.metrics.notes import note_begins
from bgmusic.music.judging.metrics.packed import PackedRolls
from bgmusic.music.judging.metrics.rhythm import bar_repetition, drum_in_pattern_rate, drum_pattern, groove_consistency

__all__ = [
    "PackedRolls",
    "bar_repetition",
    "chroma",
    "drum_in_pattern_rate",
    "drum_pattern",
    "empty_bar_rate",
    "groove_consistency",
    "in_scale_rate",
    "interval_histogram",
    "note_begins",
    "note_length_histogram",
    "notes_per_bar",
    "onset_position_histogram",
    "pitch_class_histogram",
    "pitch_classes_per_step",
    "pitch_classes_used",
    "pitches_used",
    "polyphony_rate",
    "qualified_note_rate",
    "shortest_qualified",
    "tonal_distance",
    "voices",
]
