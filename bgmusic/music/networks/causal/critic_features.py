"""Describe steps by numbers of categories in which pieces of music are alike: intervals, motions, chords, rhythm.

Everything that describes a step follows from it and earlier steps, so the beginnings of phrases can be judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.causal.steps import Steps
from bgmusic.music.rolls.shape import RollShape

_LEAP, _SMALL, _GAP = 13, 7, 24  # semitones; larger intervals are one class
_DURATIONS = 24
_MOTIONS = 6
_CLASSES = 12
_SETS = 1 << 11
_PAIRS = 10  # pairs of tracks at most


def feature_sizes(shape: RollShape, rows: int) -> list[int]:
    """Return the number of categories of each column of :func:`describe`."""
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    line = [3, rows + 1, 2 * _LEAP + 2, (2 * _SMALL + 2) ** 2, _DURATIONS + 1, 8]
    pair = [2 * _GAP + 2, 13 * 13 * _MOTIONS + 1]
    of_all = [4 * (_SETS + 1), _SETS + 1, 14] if pitched else []
    pairs = list(combinations(pitched, 2))[:_PAIRS]
    return [*line * len(pitched), *pair * len(pairs), *of_all, 1 << min(8, len(shape.drums)), shape.steps]


def describe(steps: Steps, cells: Tensor, shape: RollShape) -> Tensor:
    """Describe each step: int64 ``(batch, steps, features)``.

    Args:
        steps: of the phrases, see :func:`describe_steps`.
        cells: their notes, boolean ``(batch, steps, tracks, rows)``.
        shape: of the phrases; the number of steps may differ.

    """
    return torch.stack(list(_columns(steps, cells, shape)), -1)


def _columns(steps: Steps, cells: Tensor, shape: RollShape) -> Iterator[Tensor]:
    batch, length, tracks, rows = cells.shape
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    strikes = steps.started.any(-1)
    for track in pitched:
        yield from _of_line(steps.line[..., track], strikes[..., track], rows)
        yield cells[:, :, track].sum(-1).clamp(max=7)
    for one, other in list(combinations(pitched, 2))[:_PAIRS]:
        struck = strikes[..., one] | strikes[..., other]
        yield from _of_pair(steps.line[..., one], steps.line[..., other], struck)
    place = torch.arange(length, device=cells.device) % shape.steps
    if pitched:
        together, struck = cells[:, :, pitched].any(2), strikes[..., pitched].any(-1)
        bass = torch.where(together.any(-1), together.to(torch.uint8).argmax(-1), -1)
        chord = _over_bass(together, bass)
        yield chord + (_SETS + 1) * _weight(place, shape)
        yield chord
        before = _delayed(bass, -1)
        known = struck & (bass >= 0) & (before >= 0)
        yield torch.where(known, torch.where(bass == before, 12, (bass - before) % 12), 13)
    first = min(8, tracks)
    yield (strikes[..., :first] * (1 << torch.arange(first, device=cells.device))).sum(-1)
    yield place.expand(batch, length)


def _of_line(line: Tensor, strike: Tensor, rows: int) -> Iterator[Tensor]:
    """Describe the line of a track ``(batch, steps)``."""
    sounds = line >= 0
    yield torch.where(strike, 1, torch.where(sounds, 2, 0))
    yield torch.where(sounds, line, rows)
    start = strike & sounds
    time = torch.arange(line.shape[1], device=line.device)
    last = torch.where(start, time, -1).cummax(1).values
    before = _delayed(last, -1)
    was = torch.where(before >= 0, line.gather(1, before.clamp(min=0)), -1)
    interval = line - was
    known = start & (was >= 0)
    yield torch.where(known, interval.clamp(-_LEAP, _LEAP) + _LEAP, 2 * _LEAP + 1)
    size = 2 * _SMALL + 2
    small = torch.where(known, interval.clamp(-_SMALL, _SMALL) + _SMALL, size - 1)
    held = torch.where(last >= 0, small.gather(1, last.clamp(min=0)), size - 1)
    yield torch.where(start, small * size + _delayed(held, size - 1), size * size - 1)
    yield torch.where(strike & (before >= 0), (time - before).clamp(max=_DURATIONS - 1), _DURATIONS)


def _of_pair(one: Tensor, other: Tensor, strike: Tensor) -> Iterator[Tensor]:
    """Describe the interval of two lines, and the motion from the interval before to it."""
    both = (one >= 0) & (other >= 0)
    gap = one - other
    yield torch.where(both, gap.clamp(-_GAP, _GAP) + _GAP, 2 * _GAP + 1)
    interval = torch.where(both, gap % _CLASSES, _CLASSES)
    first, second = _direction(one), _direction(other)
    alike = first * second
    still = torch.where(first != 0, 3, torch.where(second != 0, 4, 5))
    motion = torch.where(alike > 0, torch.where(first > 0, 0, 1), torch.where(alike < 0, 2, still))
    code = (interval * 13 + _delayed(interval, _CLASSES)) * _MOTIONS + motion
    yield torch.where(strike, code, 13 * 13 * _MOTIONS)


def _direction(line: Tensor) -> Tensor:
    before = _delayed(line, -1)
    return torch.where((line >= 0) & (before >= 0), (line - before).sign(), 0)


def _over_bass(cells: Tensor, bass: Tensor) -> Tensor:
    """Return the pitch classes above the bass as bits: ``(batch, steps, rows)`` to int64 ``(batch, steps)``."""
    rows = cells.shape[-1]
    folded = F.pad(cells, (0, -rows % _CLASSES)).unflatten(-1, (-1, _CLASSES)).any(-2)
    above = (torch.arange(1, _CLASSES, device=cells.device) + bass[..., None]) % _CLASSES
    turned = folded.gather(-1, above)
    bits = (turned * (1 << torch.arange(_CLASSES - 1, device=cells.device))).sum(-1)
    return torch.where(bass >= 0, bits, _SETS)


def _weight(place: Tensor, shape: RollShape) -> Tensor:
    """Return the weight of each step of the bar: 0 its first, 1 its middle, 2 other beats, 3 off the beat."""
    weight = torch.full_like(place, 3)
    weight[place % shape.unit == 0] = 2
    if shape.beats % 2 == 0:
        weight[place == shape.steps // 2] = 1
    weight[place == 0] = 0
    return weight


def _delayed(values: Tensor, first: int) -> Tensor:
    return F.pad(values, (1, 0), value=first)[:, :-1]
