"""Describe steps by numbers of categories in which pieces of music are alike: intervals, motions, chords, rhythm.

Everything that describes a step follows from it and earlier steps, so the beginnings of phrases can be judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.causal.critic_returns import BARS_AGO, number_notes
from bgmusic.music.networks.keys import MARGIN
from bgmusic.music.rolls.shape import RollShape

_LEAP, _SMALL, _GAP = 13, 7, 24  # semitones; larger intervals are one class
_DURATIONS = 24
_MOTIONS = 6
_FIFTH = 7  # semitones
MOTION_CODES = 13 * 13 * _MOTIONS + 1
"""Codes of the motion of two tracks: an interval, the one before, and who moves; the last one is for none."""
_CLASSES = 12
_SETS = 1 << 11
_TOGETHER = 4  # pitch classes above the bass; chords of more are one category
_PAIRS = 10  # pairs of tracks at most
_OF_LINE = 6  # columns of a track
_PLACES = 4  # of a step under a plan


def feature_sizes(shape: RollShape, rows: int) -> list[int]:
    """Return the number of categories of each column of :func:`describe_last`, then of :func:`describe_obedience`."""
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    line = [3, rows + 1, 2 * _LEAP + 2, (2 * _SMALL + 2) ** 2, _DURATIONS + 1, 8]
    pair = [2 * _GAP + 2, MOTION_CODES]
    sets = int(_chord_numbers()[-1]) + 1
    of_all = [4 * sets, sets, 14] if pitched else []
    pairs = list(combinations(pitched, 2))[:_PAIRS]
    of_plan = [4 * _PLACES, *[2 * _PLACES * 5] * len(pitched)] if pitched else []
    rhythm = [1 << min(8, len(shape.drums)), shape.steps]
    form = [2 * 3 ** len(BARS_AGO)] * len(shape.drums) + [2 * _LEAP + 2] * len(pitched)
    return [*line * len(pitched), *pair * len(pairs), *of_all, *rhythm, *form, *of_plan]


def motion_columns(shape: RollShape) -> list[int]:
    """Return the numbers of the columns of :func:`describe_last` that hold the motions of two tracks."""
    pitched = shape.drums.count(False)
    pairs = min(_PAIRS, pitched * (pitched - 1) // 2)
    return [_OF_LINE * pitched + 2 * pair + 1 for pair in range(pairs)]


def parallel_motions() -> Tensor:
    """Return the codes of a motion that are parallel octaves or unisons, then fifths: int64 ``(2, 2)``, up and down."""
    interval = torch.tensor([[0], [_FIFTH]])
    return _motion(interval, interval, torch.tensor([0, 1]))


def _motion(interval: Tensor, before: Tensor, way: Tensor) -> Tensor:
    """Return the code of a motion: intervals (12 for none); 0 both up, 1 both down, 2 contrary, 3 to 5 others."""
    return (interval * 13 + before) * _MOTIONS + way


@dataclass(frozen=True)
class Summary:
    """What each step holds by itself, int64 ``(batch, steps[, tracks])``, rows -1 for none.

    Attributes:
        line: the lines of pitched tracks.
        counts: number of notes of pitched tracks, at most 7.
        strikes: whether a note of the track starts, boolean, of all tracks.
        bass: the lowest row of pitched tracks.
        chord: their pitch classes above it, as bits.
        notes: numbers of what each track plays, see :func:`.critic_returns.number_notes`; of no track where it does not
            matter whether notes return.

    """

    line: Tensor
    counts: Tensor
    strikes: Tensor
    bass: Tensor
    chord: Tensor
    notes: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> Summary:
        """Apply a function to all tensors."""
        return Summary(*(change(value) for value in vars(self).values()))

    def followed_by(self, other: Summary) -> Summary:
        """Return these steps and further ones."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Summary(*(torch.cat(pair, 1) for pair in pairs))


def summarize(line: Tensor, started: Tensor, cells: Tensor, shape: RollShape, numbered: bool = False) -> Summary:
    """Summarize steps; see :class:`Steps` for the arguments. ``numbered``: with :attr:`Summary.notes`."""
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    together = cells[:, :, pitched].any(2)
    bass = torch.where(together.any(-1), together.to(torch.uint8).argmax(-1), -1)
    counts = cells[:, :, pitched].sum(-1).clamp(max=7)
    notes = number_notes(cells, started) if numbered else line[:, :, :0]
    return Summary(line[:, :, pitched], counts, started.any(-1), bass, _over_bass(together, bass), notes)


def describe_last(steps: Summary, shape: RollShape, number: int) -> Tensor:
    """Describe the last ``number`` steps of beginnings of phrases: int64 ``(batch, number, features)``."""
    length = steps.line.shape[1]
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    rows = shape.pitches + 2 * MARGIN
    lines = _of_lines(steps.line, steps.strikes[:, :, pitched], steps.counts, rows)[:, -number:]
    form = _of_form(steps, pitched, number, shape)
    # Other features follow from a step and the one before it.
    if length > number:
        steps = steps.map(lambda value: value[:, -number - 1 :])
    strikes = steps.strikes
    columns = []
    if pitched:
        pairs = list(combinations(range(len(pitched)), 2))[:_PAIRS]  # none of a single track
        one, other = torch.tensor(pairs, dtype=torch.int64, device=lines.device).view(-1, 2).unbind(1)
        struck = strikes[:, :, pitched]
        columns.append(_of_pairs(steps.line[..., one], steps.line[..., other], struck[..., one] | struck[..., other]))
        columns.append(_of_all(steps, struck.any(-1), length, shape))
    place = torch.arange(length - strikes.shape[1], length, device=lines.device) % shape.steps
    first = min(8, strikes.shape[2])
    rhythm = (strikes[..., :first] * (1 << torch.arange(first, device=lines.device))).sum(-1)
    columns.append(torch.stack([rhythm, place.expand_as(rhythm)], -1))
    return torch.cat([lines, torch.cat(columns, -1)[:, -number:], form], -1)


def places_under(chords: Tensor, shape: RollShape) -> Tensor:
    """Return the place of each step under planned chords: int64 ``(batch, steps)``.

    0: nothing is planned; 1: the step is within a beat; 2: it is the first of a beat while a chord goes on; 3: a chord
    begins.

    Args:
        chords: planned chords and their basses as rows, boolean ``(batch, steps, 2, rows)``; nothing where unknown.
        shape: of the phrases.

    """
    new = (F.pad(chords, (0, 0, 0, 0, 1, 0))[:, :-1] != chords).flatten(2).any(-1)
    first = torch.arange(chords.shape[1], device=chords.device) % shape.unit == 0
    return torch.where(chords[:, :, 0].any(-1), 1 + first.long() + new.long(), 0)


def describe_obedience(steps: Summary, cells: Tensor, chords: Tensor, places: Tensor, shape: RollShape) -> Tensor:
    """Describe how the lowest note, and each track's line, obey planned chords: int64 ``(batch, steps, features)``.

    Args:
        steps: of the phrases.
        cells: their notes, boolean ``(batch, steps, tracks, rows)``.
        chords: of these steps, see :func:`places_under`.
        places: of these steps, see :func:`places_under`.
        shape: of the phrases.

    """
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    if not pitched:
        return places.new_zeros(*places.shape, 0)
    chord, bass = chords.unbind(2)
    lowest = _of_chord(steps.bass[..., None], chord, bass) * _PLACES + places[..., None]
    lines = _of_chord(steps.line, chord, bass)
    others = (cells[:, :, pitched] & ~chord[:, :, None]).any(-1)
    lines = torch.where(others & (lines != 1), 4, lines)
    strikes = steps.strikes[:, :, pitched].long()
    return torch.cat([lowest, (lines * 2 + strikes) * _PLACES + places[..., None]], -1)


def describe_unplanned(steps: Summary, shape: RollShape) -> Tensor:
    """Describe what :func:`describe_obedience` describes where no chord is planned: any note is outside a chord."""
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    lines = torch.cat([steps.bass[..., None], steps.line], -1) >= 0
    codes = lines.long()
    codes[..., 1:].mul_(2).add_(steps.strikes[:, :, pitched])
    return codes.mul_(_PLACES)[..., : 1 + len(pitched) if pitched else 0]


def _of_chord(rows: Tensor, chord: Tensor, bass: Tensor) -> Tensor:
    """Return whether rows ``(batch, steps, n)`` are none (0), outside a chord (1), in it (2) or its bass (3)."""
    place = rows.clamp(min=0)
    inside = 1 + chord.gather(-1, place).long() + bass.gather(-1, place).long()
    return torch.where(rows >= 0, inside, 0)


def _of_lines(line: Tensor, strike: Tensor, counts: Tensor, rows: int) -> Tensor:
    """Describe the lines of tracks ``(batch, steps, tracks)``: ``(batch, steps, tracks * 6)``."""
    sounds = line >= 0
    start = strike & sounds
    time = torch.arange(line.shape[1], device=line.device)[:, None]
    last = torch.where(start, time, -1).cummax(1).values
    before = _delayed(last, -1)
    was = torch.where(before >= 0, line.gather(1, before.clamp(min=0)), -1)
    interval = line - was
    known = start & (was >= 0)
    size = 2 * _SMALL + 2
    small = torch.where(known, interval.clamp(-_SMALL, _SMALL) + _SMALL, size - 1)
    held = torch.where(last >= 0, small.gather(1, last.clamp(min=0)), size - 1)
    columns = [
        torch.where(strike, 1, torch.where(sounds, 2, 0)),
        torch.where(sounds, line, rows),
        torch.where(known, interval.clamp(-_LEAP, _LEAP) + _LEAP, 2 * _LEAP + 1),
        torch.where(start, small * size + _delayed(held, size - 1), size * size - 1),
        torch.where(strike & (before >= 0), (time - before).clamp(max=_DURATIONS - 1), _DURATIONS),
        counts,
    ]
    return torch.stack(columns, -1).flatten(2)


def _of_pairs(one: Tensor, other: Tensor, strike: Tensor) -> Tensor:
    """Describe the intervals of two lines each, ``(batch, steps, pairs)``, and the motion from the interval before."""
    both = (one >= 0) & (other >= 0)
    gap = one - other
    interval = torch.where(both, gap % _CLASSES, _CLASSES)
    first, second = _direction(one), _direction(other)
    alike = first * second
    still = torch.where(first != 0, 3, torch.where(second != 0, 4, 5))
    motion = torch.where(alike > 0, torch.where(first > 0, 0, 1), torch.where(alike < 0, 2, still))
    code = _motion(interval, _delayed(interval, _CLASSES), motion)
    columns = [
        torch.where(both, gap.clamp(-_GAP, _GAP) + _GAP, 2 * _GAP + 1),
        torch.where(strike, code, MOTION_CODES - 1),
    ]
    return torch.stack(columns, -1).flatten(2)


def _of_all(steps: Summary, struck: Tensor, length: int, shape: RollShape) -> Tensor:
    """Describe the chords of all pitched tracks and the steps of the bass: ``(batch, steps, 3)``."""
    bass, chord = steps.bass, steps.chord
    place = torch.arange(length - bass.shape[1], length, device=bass.device) % shape.steps
    before = _delayed(bass, -1)
    known = struck & (bass >= 0) & (before >= 0)
    moved = torch.where(known, torch.where(bass == before, 12, (bass - before) % 12), 13)
    numbers = _chord_numbers().to(chord.device)
    chord = numbers[chord]
    return torch.stack([chord + (numbers[-1] + 1) * _weight(place, shape), chord, moved], -1)


def _of_form(steps: Summary, pitched: list[int], number: int, shape: RollShape) -> Tensor:
    """Compare the last ``number`` steps with those of earlier bars: int64 ``(batch, number, tracks + pitched)``.

    Of each track: whether it strikes, now and one and two bars ago; of each line that strikes: how far it is from its
    place a bar ago.
    """
    length = steps.line.shape[1]
    places = torch.arange(length - number, length, device=steps.line.device)
    strikes = steps.strikes.long()
    rhythm = strikes[:, places]
    for bars in BARS_AGO:
        ago = places - bars * shape.steps
        rhythm = rhythm * 3 + torch.where(ago[:, None] >= 0, strikes[:, ago.clamp(min=0)], 2)
    ago = places - shape.steps
    now, before = steps.line[:, places], steps.line[:, ago.clamp(min=0)]
    known = (now >= 0) & (before >= 0) & (ago >= 0)[:, None] & steps.strikes[:, places][:, :, pitched]
    moved = torch.where(known, (now - before).clamp(-_LEAP, _LEAP) + _LEAP, 2 * _LEAP + 1)
    return torch.cat([rhythm, moved], -1)


@lru_cache(maxsize=1)
def _chord_numbers() -> Tensor:
    """Return a number for each set of pitch classes above a bass: int64 ``(2^11 + 1,)``; the last one is for none."""
    # Networks are also made without memory, under torch.device("meta"); this table is not.
    sizes = torch.tensor([number.bit_count() for number in range(_SETS)], device="cpu")
    few = sizes <= _TOGETHER
    numbers = torch.where(few, few.long().cumsum(0) - 1, int(few.sum()))
    return torch.cat([numbers, numbers.max()[None] + 1])


def _direction(line: Tensor) -> Tensor:
    before = _delayed(line, -1)
    return torch.where((line >= 0) & (before >= 0), (line - before).sign(), 0)


def _over_bass(cells: Tensor, bass: Tensor) -> Tensor:
    """Return the pitch classes above the bass as bits: ``(batch, steps, rows)`` to int64 ``(batch, steps)``."""
    above = (torch.arange(1, _CLASSES, device=cells.device) + bass[..., None]) % _CLASSES
    turned = fold_rows(cells).gather(-1, above)
    bits = (turned * (1 << torch.arange(_CLASSES - 1, device=cells.device))).sum(-1)
    return torch.where(bass >= 0, bits, _SETS)


def fold_rows(rows: Tensor) -> Tensor:
    """Join the rows of equal pitch class: boolean ``(..., rows)`` to ``(..., 12)``, class 0 at row 0."""
    folded: Tensor = F.pad(rows, (0, -rows.shape[-1] % _CLASSES)).unflatten(-1, (-1, _CLASSES)).any(-2)
    return folded


def _weight(place: Tensor, shape: RollShape) -> Tensor:
    """Return the weight of each step of the bar: 0 its first, 1 its middle, 2 other beats, 3 off the beat."""
    weight = torch.full_like(place, 3)
    weight[place % shape.unit == 0] = 2
    if shape.beats % 2 == 0:
        weight[place == shape.steps // 2] = 1
    weight[place == 0] = 0
    return weight


def _delayed(values: Tensor, first: int) -> Tensor:
    """Shift ``(batch, steps, ...)`` by one step."""
    before = values.roll(1, 1)
    before[:, 0] = first
    return before
