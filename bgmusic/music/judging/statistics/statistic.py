"""A statistic of phrases: distributions of a value, the family of music that it measures, and an example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from bgmusic.music.judging.metrics.distributions import Distribution

FAMILIES = ("rhythm", "melody", "counterpoint", "harmony", "texture", "form")
"""What statistics measure. The mean over families gives each the same weight, whatever its number of statistics."""

Side = Literal["more", "less", "either"]


@dataclass(frozen=True)
class Example:
    """One place in the phrases at which an event happens.

    Attributes:
        phrase: index of the phrase.
        step: step from the beginning of the phrase.
        tracks: names of the tracks.

    """

    phrase: int
    step: int
    tracks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Statistic:
    """The distribution of a value over phrases: one part, or one for each track, pair of tracks or lag.

    Attributes:
        name: name of the statistic.
        parts: the distributions.
        core: whether it is one of the twelve statistics of the first mean distance.
        family: one of ``FAMILIES``.
        unit: for the rate of an event, what the event is counted against, such as "moves"; otherwise "".
        fault: whether "more" or "less" of the event than in the data is a fault, or "either".
        labels: names of the categories of a nominal statistic.
        example: the first event (or its absence, if less is a fault), for rates.

    """

    name: str
    parts: tuple[Distribution, ...]
    core: bool = False
    family: str = ""
    unit: str = ""
    fault: Side = "either"
    labels: tuple[str, ...] = ()
    example: Example | None = None


@dataclass(frozen=True, eq=False)
class Occasions:
    """Places of phrases at which an event can happen, one entry for each.

    Attributes:
        row: int64 ``(m,)``, index of the phrase.
        step: int64 ``(m,)``, step from the beginning of the phrase.
        names: returns the names of the tracks of an entry.

    """

    row: Tensor
    step: Tensor
    names: Callable[[int], tuple[str, ...]] = lambda _: ()

    def chosen(self, mask: Tensor) -> Occasions:
        """Return the entries of a boolean mask ``(m,)``."""
        place = mask.nonzero().flatten()
        return Occasions(self.row[place], self.step[place], lambda entry: self.names(int(place[entry])))


def rate(
    name: str,
    family: str,
    unit: str,
    happens: Tensor,
    at: Occasions,
    phrases: int,
    fault: Side = "either",
) -> Statistic:
    """Return the rate of an event as a statistic with the values 0 and 1.

    Args:
        name: name of the statistic.
        family: one of ``FAMILIES``.
        unit: name of the occasions, in the plural.
        happens: boolean ``(m,)``, whether the event happens at each occasion.
        at: the occasions.
        phrases: number of phrases.
        fault: whether "more" or "less" than in the data is a fault.

    """
    events = torch.bincount(at.row[happens], minlength=phrases)
    counts = torch.stack([torch.bincount(at.row, minlength=phrases) - events, events], dim=1)
    shown = (happens if fault != "less" else ~happens).nonzero()
    example = None
    if len(shown):
        first = int(shown[0])
        example = Example(int(at.row[first]), int(at.step[first]), at.names(first))
    part = Distribution.from_histogram(counts, torch.tensor([0.0, 1.0]))
    return Statistic(name, (part,), False, family, unit, fault, (), example)


def histogram(
    name: str,
    family: str,
    row: Tensor,
    index: Tensor,
    values: Tensor,
    phrases: int,
    part: Tensor | None = None,
    parts: int = 1,
) -> Statistic:
    """Count observations of a number in fixed bins.

    Args:
        name: name of the statistic.
        family: one of ``FAMILIES``.
        row: int64 ``(m,)``, the phrase of each observation.
        index: int64 ``(m,)``, its bin.
        values: ``(v,)``, the value of each bin.
        phrases: number of phrases.
        part: int64 ``(m,)``, the part of each observation; None if there is one part.
        parts: number of parts.

    """
    counts = _counts(row, index, len(values), phrases, part, parts)
    return Statistic(name, tuple(Distribution.from_histogram(c, values) for c in counts), family=family)


def categories(
    name: str,
    family: str,
    row: Tensor,
    index: Tensor,
    labels: Sequence[str],
    phrases: int,
    part: Tensor | None = None,
    parts: int = 1,
) -> Statistic:
    """Count observations of a category; see :func:`histogram`. ``index`` is a position in ``labels``."""
    counts = _counts(row, index, len(labels), phrases, part, parts)
    # The value 0 stands for "no observation" in a distance.
    values = torch.arange(1, len(labels) + 1).double()
    nominal = tuple(Distribution(values, c.double(), nominal=True) for c in counts)
    return Statistic(name, nominal, family=family, labels=tuple(labels))


def _counts(row: Tensor, index: Tensor, bins: int, phrases: int, part: Tensor | None, parts: int) -> Tensor:
    """Return counts ``(parts, phrases, bins)``."""
    place = row if part is None else part * phrases + row
    counts = torch.bincount(place * bins + index, minlength=parts * phrases * bins)
    return counts.view(parts, phrases, bins)


def share_bins(values: Tensor, bins: int = 21) -> tuple[Tensor, Tensor]:
    """Return the bin of each value from 0 to 1, and the values of the bins: evenly spread from 0 to 1."""
    return (values.clamp(0, 1) * (bins - 1)).round().long(), torch.linspace(0, 1, bins, dtype=torch.float64)


def merge(batches: Sequence[Sequence[Statistic]], numbers: Sequence[Tensor]) -> tuple[Statistic, ...]:
    """Join the statistics of batches of phrases.

    Args:
        batches: the same statistics, with the same values, for each batch.
        numbers: for each batch, int64: the numbers of its phrases.

    """
    order = torch.cat(list(numbers)).argsort()
    merged = []
    for versions in zip(*batches, strict=True):
        parts = tuple(
            replace(part[0], counts=torch.cat([piece.counts for piece in part])[order])
            for part in zip(*(version.parts for version in versions), strict=True)
        )
        examples = [
            replace(version.example, phrase=int(number[version.example.phrase]))
            for version, number in zip(versions, numbers, strict=True)
            if version.example
        ]
        first = min(examples, key=lambda example: example.phrase, default=None)
        merged.append(replace(versions[0], parts=parts, example=first))
    return tuple(merged)
