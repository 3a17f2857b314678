"""Name the faults of phrases: events that are more frequent, or rarer, than in the data, each with an example."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from bgmusic.music.judging.families import Compared
from bgmusic.music.judging.results import Fault, Row
from bgmusic.music.judging.statistics import Example, Statistic
from bgmusic.music.rolls.phrases import Phrases

LEAST_ERRORS = 3.0
"""Standard errors of the difference from which it can be a fault."""
LEAST_RATIO = 1.25
"""Least ratio of the samples' share of bad places to the share in held-out and in training phrases."""
PER_PHRASE = "phrase"


def worst_faults(
    compared: Sequence[Compared], rows: Sequence[Row], weights: Sequence[Tensor], samples: Phrases
) -> tuple[Fault, ...]:
    """Return the faults of the samples, the one with most standard errors of the data first.

    A fault is a rate on the bad side of the data's, by three standard errors of the difference, in which the share of
    bad places is 1.25 times that of held-out and of training phrases.

    Args:
        compared: the statistics.
        rows: their comparisons.
        weights: resamples of the samples and of the data.
        samples: the phrases, for the names and places of examples.

    """
    by_name = {row.name: row for row in rows}
    faults = []
    for one in compared:
        row, kind = by_name[one.data.name], one.data
        if not (kind.unit and one.parts) or kind.fault == "either":
            continue
        certain = abs(row.samples - row.data) > LEAST_ERRORS * one.rate_error(weights)
        if certain and all(_is_worse(row.samples, usual, kind) for usual in (row.data, one.parts[0].floor.mean())):
            example = "" if one.samples.example is None else place(one.samples.example, samples)
            faults.append(Fault(kind.name, kind.unit, row.samples, row.data, row.errors, example))
    return tuple(sorted(faults, key=lambda fault: -fault.errors))


def place(example: Example, samples: Phrases) -> str:
    """Return a place in words: "phrase 17, bar 2, beat 3.5, Tenor and Bass". All numbers begin with 1."""
    bar, step = divmod(example.step, samples.cells.shape[3])
    words = [f"phrase {example.phrase + 1}", f"bar {bar + 1}", f"beat {1 + step / samples.resolution:.3g}"]
    return ", ".join([*words, " and ".join(example.tracks)] if example.tracks else words)


def _is_worse(rate: float, usual: float, kind: Statistic) -> bool:
    """Return whether the share of bad places is ``LEAST_RATIO`` times the usual one; of counts, whether they lack."""
    if kind.fault == "more":
        return rate > usual * LEAST_RATIO
    if kind.unit == PER_PHRASE:
        return rate * LEAST_RATIO < usual
    return 1 - rate > (1 - usual) * LEAST_RATIO
