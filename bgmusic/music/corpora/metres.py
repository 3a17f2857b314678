"""Choose the metre of a corpus of any metre: the one of which its sources have the most phrases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bgmusic.music.corpora.piece import decode
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.sources import open_sources
from bgmusic.music.corpora.sources.base import content_of
from bgmusic.music.midi.song import COMMON_TIME, Song
from bgmusic.music.rolls.metre import bars_of, steps_per_bar
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.steps import MAX_BEATS, to_steps
from bgmusic.yaml import validate

MAX_READ = 1000  # files of the sources, evenly spread


def common_metre(sources: Sequence[str], settings: Settings) -> tuple[int, int]:
    """Return the metre of the sources whose bar length gives the most phrases; 4/4 if none gives any.

    The bars of a corpus have one length in steps. So a corpus of any metre takes the most frequent length, and of the
    metres of this length the most frequent one as its name: 3/4 and 6/8 may mix, 3/4 and 4/4 cannot.

    Args:
        sources: as in ``build.build_corpus``; at most ``MAX_READ`` of their files are read.
        settings: settings with any bar length.

    Raises:
        UserError: a source does not exist.

    """
    opened, _ = open_sources(sources)
    metres: Counter[tuple[int, int]] = Counter()
    try:
        entries = [(source, entry) for source in opened for entry in source.entries()]
        for source, entry in entries[:: -(-len(entries) // MAX_READ) or 1]:
            content = content_of(source.read, entry)
            if not isinstance(content, str):
                try:
                    metres += phrases_by_metre(decode(entry, content, settings)[0], settings)
                except Exception:  # noqa: S112 (the build records the reason)
                    continue
    finally:
        for source in opened:
            source.close()
    return most_frequent(metres, settings.shape.resolution)


def with_any_metre(sources: Sequence[str], settings: Settings) -> Settings:
    """Return the settings of a corpus of any metre, with the bar length of ``common_metre``.

    Raises:
        UserError: as ``common_metre``.

    """
    metre = common_metre(sources, settings)
    steps = steps_per_bar(metre, settings.shape.resolution)
    shape = validate(RollShape, settings.shape.model_dump() | {"steps": steps, "metre": metre}, "phrase")
    return replace(settings, shape=shape, metre=None)


def phrases_by_metre(song: Song, settings: Settings) -> Counter[tuple[int, int]]:
    """Count the phrases of full bars of each metre in a song, whatever plays in them."""
    resolution, bars = settings.shape.resolution, settings.shape.bars
    end = np.minimum(song.notes["onset"] + song.notes["duration"], MAX_BEATS * song.ticks_per_beat).max(initial=0)
    last = int(to_steps(np.array([end]), song.ticks_per_beat, resolution)[0])
    _, metres, full = bars_of(song, resolution, last, None, COMMON_TIME)
    counts: Counter[tuple[int, int]] = Counter()
    edges = np.flatnonzero((np.diff(metres, axis=0) != 0).any(axis=1) | ~full[1:] | ~full[:-1]) + 1
    for run in np.split(np.arange(len(metres)), edges):
        if len(run) >= bars and full[run[0]]:
            numerator, denominator = metres[run[0]].tolist()
            counts[numerator, denominator] += (len(run) - bars) // settings.hop + 1
    return counts


def most_frequent(metres: Counter[tuple[int, int]], resolution: int) -> tuple[int, int]:
    """Return the most frequent metre of the most frequent bar length; 4/4 if no metre fits the grid."""
    lengths: Counter[int] = Counter()
    for metre, count in metres.items():
        if metre[0] * 4 * resolution % metre[1] == 0:
            lengths[steps_per_bar(metre, resolution)] += count
    if not lengths:
        return COMMON_TIME
    # Of equal counts, the shorter bar, and the metre in the longer unit: the order of the files does not matter.
    steps = min(lengths, key=lambda length: (-lengths[length], length))
    alike = [metre for metre in metres if metre[0] * 4 * resolution == steps * metre[1]]
    return min(alike, key=lambda metre: (-metres[metre], metre[1], metre[0]))
