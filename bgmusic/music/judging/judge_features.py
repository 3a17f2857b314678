"""Describe each step of a phrase by numbers of categories, in terms in which pieces of music resemble each other.

Of each pitched track: pitch, state, melodic intervals of the top line, duration, and the chord of a polyphonic track.
Of each pair of tracks: interval, and motion between two intervals. Of all tracks: the pitch classes over the bass, the
motion of the bass, and the step of the bar. Of drum tracks: the rows that begin. Only pitches change by transposition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from bgmusic.music.judging.metrics.counts import fold
from bgmusic.music.judging.metrics.notes import note_begins, sounding
from bgmusic.music.judging.tensors import PhraseTensors, to_tensors
from bgmusic.music.rolls.phrases import Phrases

MAX_SHIFT = 6
"""Most semitones of a transposition."""
_LEAP = 13  # semitones; larger intervals are one category
_INTERVALS = 2 * _LEAP + 2
_STEP = 7  # semitones; the same for two successive intervals
_PAIR = 2 * _STEP + 2
_DURATIONS = 24
_GAP = 24  # semitones between two tracks
_MOTIONS = 6
_SETS = 1 << 11
_MAX_PAIRS = 10


@dataclass(frozen=True)
class Feature:
    """One category number per step.

    Attributes:
        name: what it describes.
        size: number of categories; the last is "none".
        tracks: indices of the tracks it describes.
        moves: whether transposition adds to it.

    """

    name: str
    size: int
    tracks: tuple[int, ...]
    moves: bool = False


@dataclass(frozen=True, eq=False)
class Described:
    """Phrases by features.

    Attributes:
        features: one entry for each column.
        codes: int16 ``(n, time, features)``, category numbers.
        hits: boolean ``(n, time, drum tracks * pitches)``, drum rows that begin.
        drums: indices of the drum tracks.

    """

    features: tuple[Feature, ...]
    codes: Tensor
    hits: Tensor
    drums: tuple[int, ...]


def describe_all(batches: Sequence[Phrases]) -> Described:
    """Describe batches of phrases of one track set and shape by the same features, one batch after the other."""
    given = [to_tensors(phrases) for phrases in batches]
    chords = torch.stack([(part.cells.sum(-1) > 1).flatten(2).any(2).any(0) for part in given]).any(0)
    polyphonic = frozenset((chords & ~given[0].drums).nonzero().flatten().tolist())
    found = [_describe(part, polyphonic, phrases.track_set.low) for part, phrases in zip(given, batches, strict=True)]
    codes, hits = (torch.cat(side) for side in zip(*((part.codes, part.hits) for part in found), strict=True))
    return Described(found[0].features, codes, hits, found[0].drums)


def _describe(given: PhraseTensors, polyphonic: frozenset[int], low: int) -> Described:
    begins = note_begins(given.cells, given.onsets, given.drums).flatten(2, 3)
    cells = sounding(given.cells, given.onsets).flatten(2, 3)
    features, codes = zip(*_columns(cells, begins, given.drums, polyphonic, low, given.cells.shape[3]), strict=True)
    drums = given.drums.nonzero().flatten()
    hits = begins[:, drums].transpose(1, 2).flatten(2)
    return Described(
        features, torch.stack([code.to(torch.int16) for code in codes], dim=-1), hits, tuple(drums.tolist())
    )


def transposed(codes: Tensor, features: tuple[Feature, ...], shift: Tensor) -> Tensor:
    """Transpose codes ``(n, time, features)``, int64, by ``shift`` semitones: int64 ``(n,)``, ``MAX_SHIFT`` at most."""
    moves = torch.tensor([feature.moves for feature in features])
    none = torch.tensor([feature.size - 1 for feature in features])
    return codes + (moves & (codes < none)) * shift[:, None, None]


def _columns(
    cells: Tensor, begins: Tensor, drums: Tensor, polyphonic: frozenset[int], low: int, steps: int
) -> Iterator[tuple[Feature, Tensor]]:
    count, _, time, pitches = cells.shape
    pitched = (~drums).nonzero().flatten().tolist()
    lines = {track: _last_true(cells[:, track]) for track in pitched}
    strikes = {track: begins[:, track].any(-1) for track in range(cells.shape[1])}
    for track in pitched:
        yield from _line(lines[track], strikes[track], track, pitches)
        voices = cells[:, track].sum(-1)
        yield Feature("voices", 8, (track,)), voices.clamp(max=7)
        if track in polyphonic:
            yield Feature("chord of the track", _SETS + 1, (track,)), _over_bass(cells[:, track], low)
    for one, other in list(combinations(pitched, 2))[:_MAX_PAIRS]:
        yield from _pair(lines[one], lines[other], strikes[one] | strikes[other], (one, other))
    everything = tuple(pitched)
    if pitched:
        together = cells[:, pitched].any(1)
        struck = torch.stack([strikes[track] for track in pitched]).any(0)
        chord = _over_bass(together, low)
        yield Feature("chord", _SETS + 1, everything), chord
        yield (
            Feature("chord on the step of the bar", 4 * (_SETS + 1), everything),
            chord + (_SETS + 1) * _weight(steps, time),
        )
        bass = _first_true(together)
        yield Feature("motion of the bass", 14, everything), _bass_motion(bass, struck)
    first = list(strikes)[:8]
    weights = torch.tensor([1 << number for number in range(len(first))])
    pattern = (torch.stack([strikes[track] for track in first], dim=-1) * weights).sum(-1)
    yield Feature("tracks that begin", 1 << len(first), tuple(strikes)), pattern
    position = (torch.arange(time) % steps).expand(count, time)
    yield Feature("step of the bar", steps, tuple(strikes)), position


def _line(line: Tensor, strike: Tensor, track: int, pitches: int) -> Iterator[tuple[Feature, Tensor]]:
    """Describe the top line of a track."""
    sounds = line >= 0
    pitch = torch.where(sounds, line + MAX_SHIFT, pitches + 2 * MAX_SHIFT)
    yield Feature("pitch", pitches + 2 * MAX_SHIFT + 1, (track,), moves=True), pitch
    yield Feature("state", 3, (track,)), torch.where(strike, 1, torch.where(sounds, 2, 0))
    start = strike & sounds
    last = _last_index(start)  # the step of the note that sounds or sounded last
    before = _shifted(last, -1)
    was = torch.where(before >= 0, line.gather(1, before.clamp(min=0)), -1)
    interval = torch.where(start & (was >= 0), (line - was).clamp(-_LEAP, _LEAP) + _LEAP, _INTERVALS - 1)
    yield Feature("interval", _INTERVALS, (track,)), interval
    small = torch.where(interval < _INTERVALS - 1, (interval - _LEAP).clamp(-_STEP, _STEP) + _STEP, _PAIR - 1)
    held = small.gather(1, last.clamp(min=0)).where(last >= 0, _PAIR - 1)
    earlier = _shifted(held, _PAIR - 1)
    double = torch.where(start, small * _PAIR + earlier, _PAIR * _PAIR)
    yield Feature("two intervals", _PAIR * _PAIR + 1, (track,)), double
    length = torch.arange(line.shape[1]) - before
    length = torch.where(strike & (before >= 0), length.clamp(max=_DURATIONS - 1), _DURATIONS)
    yield Feature("duration before", _DURATIONS + 1, (track,)), length


def _pair(one: Tensor, other: Tensor, strike: Tensor, tracks: tuple[int, int]) -> Iterator[tuple[Feature, Tensor]]:
    """Describe the interval between the top lines of two tracks, and the motion to it."""
    both = (one >= 0) & (other >= 0)
    gap = one - other
    none = 2 * _GAP + 1
    yield Feature("interval of the pair", none + 1, tracks), torch.where(both, gap.clamp(-_GAP, _GAP) + _GAP, none)
    klass = torch.where(both, gap % 12, 12)
    before = _shifted(klass, 12)
    moves = [
        (line - _shifted(line, -1)).sign().where((line >= 0) & (_shifted(line, -1) >= 0), 0) for line in (one, other)
    ]
    moved = moves[0] * moves[1]
    motion = torch.where(
        moved > 0, torch.where(moves[0] > 0, 0, 1), torch.where(moved < 0, 2, torch.where(moves[0] != 0, 3, 4))
    )
    motion = motion.where((moves[0] != 0) | (moves[1] != 0), 5)
    code = (klass * 13 + before) * _MOTIONS + motion
    yield Feature("motion of the pair", 13 * 13 * _MOTIONS + 1, tracks), torch.where(strike, code, 13 * 13 * _MOTIONS)


def _over_bass(cells: Tensor, low: int) -> Tensor:
    """Return the pitch classes above the lowest as bits: ``(n, time, pitches)`` to int64 ``(n, time)``."""
    bass = _first_true(cells)
    classes = fold(cells, low) > 0
    turned = classes.gather(-1, (torch.arange(1, 12) + (bass + low)[..., None]) % 12)
    return (turned * (1 << torch.arange(11))).sum(-1).where(bass >= 0, _SETS)


def _bass_motion(bass: Tensor, struck: Tensor) -> Tensor:
    before = _shifted(bass, -1)
    interval = (bass - before) % 12
    known = struck & (bass >= 0) & (before >= 0)
    return torch.where(known, torch.where(bass == before, 12, interval), 13)


def _weight(steps: int, time: int) -> Tensor:
    """Return the weight of each step: 0 the bar, 1 its half, 2 its quarters, 3 the others."""
    place = torch.arange(time) % steps
    weight = torch.full((time,), 3)
    for level, parts in ((2, 4), (1, 2), (0, 1)):
        if steps % parts == 0:
            weight[place % (steps // parts) == 0] = level
    return weight


def _shifted(values: Tensor, first: int) -> Tensor:
    """Return the values of the step before: int64 ``(n, time)``."""
    return torch.cat([torch.full_like(values[:, :1], first), values[:, :-1]], dim=1)


def _last_index(mask: Tensor) -> Tensor:
    """Return the last true step up to each step, -1 if there is none: boolean to int64 ``(n, time)``."""
    steps = torch.where(mask, torch.arange(mask.shape[1]), -1)
    return steps.cummax(dim=1).values


def _last_true(cells: Tensor) -> Tensor:
    highest = cells.shape[-1] - 1 - cells.flip(-1).to(torch.uint8).argmax(-1)
    return torch.where(cells.any(-1), highest, -1)


def _first_true(cells: Tensor) -> Tensor:
    return torch.where(cells.any(-1), cells.to(torch.uint8).argmax(-1), -1)
