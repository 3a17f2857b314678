"""Compare generated phrases with held-out pieces, next to the same comparison for the training set (the floor)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from bgmusic.errors import UserError
from bgmusic.music.judging.by_folds import FEW_PIECES, compare_by_folds, piece_count
from bgmusic.music.judging.copied_runs import ALL_TRACKS, Ints, copied_runs
from bgmusic.music.judging.copying import known_bars, notes_in_common
from bgmusic.music.judging.families import Compared, FamilyDistances, compare_families, core_distance, resample
from bgmusic.music.judging.faults import worst_faults
from bgmusic.music.judging.judge import Judged, judge
from bgmusic.music.judging.results import Copying, Distance, Evaluation, Run
from bgmusic.music.judging.statistics import Statistic, all_statistics, statistics
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.judging.two_sample import MIN_PHRASES, two_sample
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.plurals import count_of

MAX_JUDGED = 400
"""Most phrases of a side in the two-sample test and in the search for copies."""
_COPY = 0.8  # share of notes in common from which a phrase is a copy


def evaluate(samples: Phrases, held_out: Phrases, training: Phrases, seed: int = 0, judged: bool = False) -> Evaluation:
    """Compare ``samples`` with ``held_out`` phrases, and ``training`` phrases with the same (the floor).

    Held-out and training phrases are converted to the encoding of the samples. The floor uses as many training phrases
    as there are samples, evenly spread; copies are searched for in all training phrases. If the held-out phrases are of
    fewer than 20 pieces, the samples are also compared with all pieces by folds (``by_folds``).

    Args:
        samples: the phrases to evaluate.
        held_out: phrases of pieces that no training used, of the same tracks, resolution and shape.
        training: training phrases, of the same tracks, resolution and shape.
        seed: seed of the two-sample test and the bootstrap.
        judged: whether to add the learned judge (``judge``), which takes some CPU-minutes for 500 phrases.

    Raises:
        UserError: the tracks, resolutions or shapes differ, or a side has fewer than ten phrases or two pieces.

    """
    sides = _sides(samples, held_out, training)
    compared = _compare(sides, all_statistics)
    weights, floor_weights = _resamples(sides, seed)
    rows, distances = compare_families(compared, weights, floor_weights)
    compared_with = sides.held_out.spread(MAX_JUDGED)
    faults, pieces = worst_faults(compared, rows, weights, sides.samples), piece_count(held_out)
    by_folds = None
    if pieces < FEW_PIECES:
        tested = 0 if judged else MAX_JUDGED
        found = compare_by_folds(sides.samples, sides.training, sides.held_out, seed, tested)
        by_folds, faults = found or (None, faults)
    return Evaluation(
        phrases=len(samples),
        held_out=len(held_out),
        held_out_pieces=pieces,
        rows=rows,
        distance=distances.core,
        floor=distances.core_floor,
        two_sample=two_sample(sides.samples.spread(MAX_JUDGED), compared_with, seed),
        floor_two_sample=two_sample(sides.floor.spread(MAX_JUDGED), compared_with, seed),
        copying=_copying(sides.samples, sides.training),
        held_out_copying=_copying(sides.held_out, sides.training),
        families=distances.families,
        family_distance=distances.mean,
        family_floor=distances.floor,
        faults=faults,
        judge=_judged(sides, seed) if judged else None,
        by_folds=by_folds,
        few_pieces=pieces < FEW_PIECES,
    )


def nearness(samples: Phrases, held_out: Phrases, training: Phrases, seed: int = 0) -> tuple[Distance, Distance]:
    """Return the mean distance over the core statistics of ``samples`` to held-out phrases, and the floor.

    The values are those of :func:`evaluate`, which adds the other statistics, the two-sample test and the search for
    copies, and takes longer.

    Raises:
        UserError: see :func:`evaluate`.

    """
    sides = _sides(samples, held_out, training)
    compared = _compare(sides, statistics)
    weights, floor_weights = _resamples(sides, seed)
    return core_distance(compared, weights), core_distance(compared, floor_weights, floor=True)


def family_distances(samples: Phrases, held_out: Phrases, training: Phrases, seed: int = 0) -> FamilyDistances:
    """Return the mean distances of all families of statistics, as :func:`evaluate` does, without the other judges.

    Raises:
        UserError: see :func:`evaluate`.

    """
    sides = _sides(samples, held_out, training)
    return compare_families(_compare(sides, all_statistics), *_resamples(sides, seed))[1]


def has_enough(phrases: Phrases) -> bool:
    """Return whether phrases can be compared: ten or more, of two or more pieces."""
    return len(phrases) >= MIN_PHRASES and int(phrases.groups.max()) >= 1


@dataclass(frozen=True, eq=False)
class _Sides:
    """The phrases to compare, in one encoding, and all training phrases."""

    samples: Phrases
    held_out: Phrases
    floor: Phrases
    training: Phrases


def _sides(samples: Phrases, held_out: Phrases, training: Phrases) -> _Sides:
    """Check the phrases and convert them to the encoding of the samples."""
    samples.require_like(held_out, "the data")
    samples.require_like(training, "the training data")
    for phrases, name in ((samples, "samples"), (held_out, "held-out data"), (training, "training data")):
        if not has_enough(phrases):
            pieces = count_of(int(phrases.groups.max()) + 1 if len(phrases) else 0, "piece")
            found = f"{count_of(len(phrases), 'phrase')} of {pieces}"
            raise UserError(f"too few {name} to compare: {found}; {MIN_PHRASES} phrases of 2 pieces are needed")
    training = training.encoded(samples.encoding)
    return _Sides(samples, held_out.encoded(samples.encoding), training.spread(len(samples)), training)


def _compare(sides: _Sides, function: Callable[[Phrases], tuple[Statistic, ...]]) -> list[Compared]:
    """Compute statistics of the three sides."""
    found = [function(phrases) for phrases in (sides.samples, sides.held_out, sides.floor)]
    return [Compared(*versions) for versions in zip(*found, strict=True)]


def _resamples(sides: _Sides, seed: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Draw resamples of the samples and the data, then of the floor and the data."""
    rng = torch.Generator().manual_seed(seed)
    groups = [to_tensors(side).groups for side in (sides.samples, sides.held_out, sides.floor)]
    weights = [resample(side, rng) for side in groups[:2]]
    return weights, [resample(side, rng) for side in (groups[2], groups[1])]


def _judged(sides: _Sides, seed: int) -> Judged:
    names = [track.name for track in sides.samples.track_set.tracks]
    return judge(sides.samples, [sides.training, sides.held_out], seed).summary(names)


def _copying(phrases: Phrases, training: Phrases) -> Copying:
    judged = phrases.spread(MAX_JUDGED)
    common = notes_in_common(judged, training)
    low, middle, high = common.quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
    copies = float((common >= _COPY).float().mean())
    found = copied_runs(judged, training)
    names = [track.name for track in phrases.track_set.tracks]
    runs = [_run(name, column) for name, column in zip(names, found.tracks.T, strict=True)]
    runs.append(_run(ALL_TRACKS, found.together))
    return Copying((low, middle, high), copies, known_bars(phrases, training), tuple(runs))


def _run(name: str, lengths: Ints) -> Run:
    """Summarize the longest runs of phrases; phrases without notes are left out."""
    played = lengths[lengths > 0]
    if not len(played):
        return Run(name, 0.0, 0.0, 0)
    middle, high = np.quantile(played, [0.5, 0.9]).tolist()
    return Run(name, middle, high, int(played.max()))
