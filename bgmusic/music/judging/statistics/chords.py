"""Statistics of chords: the set of pitch classes that sounds at a step, over all pitched tracks."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from bgmusic.music.judging.statistics.statistic import Statistic, categories, histogram, rate
from bgmusic.music.judging.statistics.view import PhraseView

FAMILY = "harmony"
CLASSES = 12
CHORDS = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "diminished": (0, 3, 6),
    "augmented": (0, 4, 8),
    "dominant seventh": (0, 4, 7, 10),
    "minor seventh": (0, 3, 7, 10),
    "major seventh": (0, 4, 7, 11),
    "half-diminished seventh": (0, 3, 6, 10),
    "diminished seventh": (0, 3, 6, 9),
}
"""Pitch classes of each chord above its root; triads first."""
TYPES = (*CHORDS, "silence", "one pitch class", "two pitch classes", "other three", "other four or more")
TRIADS, SEVENTHS = 4, len(CHORDS)
SILENCE = TYPES.index("silence")


@cache
def chord_table() -> tuple[Tensor, Tensor]:
    """Return the type (position in ``TYPES``) and the root of every set of pitch classes: two int64 ``(4096,)``.

    Sets are bits, bit 0 for C. The root is that of the named chords, -1 for others. Symmetric chords (augmented,
    diminished seventh) have their lowest pitch class as root.
    """
    sizes = torch.tensor([bin(mask).count("1") for mask in range(1 << CLASSES)])
    types = SILENCE + sizes.clamp(max=TRIADS)
    roots = torch.full_like(types, -1)
    for kind, intervals in enumerate(CHORDS.values()):
        for root in reversed(range(CLASSES)):
            mask = sum(1 << (root + interval) % CLASSES for interval in intervals)
            types[mask], roots[mask] = kind, root
    return types, roots


def chords(view: PhraseView) -> list[Statistic]:
    """Return the statistics of chord types and of clashes."""
    n, types = view.count, chord_table()[0][view.sets]
    sounds = types != SILENCE
    on_beats = torch.zeros(view.time, dtype=torch.bool)
    on_beats[view.beats] = True
    strong = torch.zeros(view.time, dtype=torch.bool)
    strong[view.beats[view.strong_beats]] = True
    where = {"on strong beats": strong, "on weak beats": on_beats & ~strong, "off the beat": ~on_beats}
    found = []
    for place, mask in where.items():
        heard = sounds & mask
        found.append(categories(f"chord types {place}", FAMILY, heard.nonzero()[:, 0], types[heard], TYPES, n))
    heard = sounds & on_beats
    at, kinds = view.occasions(heard), types[heard]
    clashing = clashes(view.sets)
    at_strong = view.occasions(sounds & strong)
    row, count = pitch_classes_per_beat(view)
    return [
        *found,
        rate("beats on a triad", FAMILY, "beats", kinds < TRIADS, at, n, "less"),
        rate("beats on a triad or seventh", FAMILY, "beats", kinds < SEVENTHS, at, n, "less"),
        rate(
            "semitone clashes on strong beats",
            FAMILY,
            "strong beats",
            clashing[sounds & strong],
            at_strong,
            n,
            "more",
        ),
        rate("semitone clashes", FAMILY, "steps", clashing[sounds], view.occasions(sounds), n, "more"),
        histogram("pitch classes per beat", FAMILY, row, count, torch.arange(CLASSES + 1), n),
    ]


def clashes(sets: Tensor) -> Tensor:
    """Return whether sets of pitch classes, int64 bits, hold two that are a semitone apart (in any octaves)."""
    turned = (sets << 1 | sets >> (CLASSES - 1)) & ((1 << CLASSES) - 1)
    return (sets & turned) != 0


def pitch_classes_per_beat(view: PhraseView) -> tuple[Tensor, Tensor]:
    """Return the phrase and the number of pitch classes of every beat that is not silent: two int64 ``(m,)``."""
    union = view.sets[:, view.beats]
    for later in range(1, view.beat):
        # The last beat of a bar may be shorter.
        inside = (view.beats % view.steps) + later < view.steps
        union |= torch.where(inside, view.sets[:, (view.beats + later).clamp(max=view.time - 1)], 0)
    count = (union.unsqueeze(-1) >> torch.arange(CLASSES) & 1).sum(-1)
    heard = count > 0
    return heard.nonzero()[:, 0], count[heard]
