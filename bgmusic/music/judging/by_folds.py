"""Compare phrases with all real pieces by folds, for corpora whose held-out pieces are too few to tell.

Each fold of pieces, training and held-out, is the data once, and the other pieces are the floor. A generator that
copies its training pieces is close to them, so read these distances beside the search for copies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bgmusic.music.judging.families import Compared, FamilyDistances, join_families, mean_of_parts, resample
from bgmusic.music.judging.faults import worst_faults
from bgmusic.music.judging.results import Fault, RealPieces, Row
from bgmusic.music.judging.statistics import all_statistics
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.judging.two_sample import FOLDS, folds, two_sample
from bgmusic.music.rolls.phrases import Phrases

FEW_PIECES = 20
"""Held-out pieces below which a comparison with them cannot tell: intervals are as wide as large differences."""
_PIECES_PER_FOLD = 2
_MAX_REAL = 1000  # phrases


def piece_count(phrases: Phrases) -> int:
    """Return the number of pieces that phrases come from."""
    return int(phrases.groups.max()) + 1


def compare_by_folds(
    samples: Phrases, training: Phrases, held_out: Phrases, seed: int, tested: int
) -> tuple[RealPieces, tuple[Fault, ...]] | None:
    """Compare samples with training and held-out phrases by five folds of pieces.

    Args:
        samples: the phrases to evaluate.
        training: training phrases in the same encoding.
        held_out: held-out phrases in the same encoding.
        seed: seed of the folds, the bootstrap and the two-sample test.
        tested: most phrases of a side of the two-sample test; 0 leaves it out.

    Returns:
        The mean distances over the folds, and the faults relative to all real phrases; None if the pieces are too few
        for five folds of two.

    """
    real = _together([training, held_out]).spread(_MAX_REAL)
    pieces = piece_count(real)
    if pieces < FOLDS * _PIECES_PER_FOLD:
        return None
    rng = torch.Generator().manual_seed(seed)
    of_samples, of_real = (all_statistics(phrases) for phrases in (samples, real))
    compared = [Compared(*versions) for versions in zip(of_samples, of_real, of_real, strict=True)]
    weights = [resample(to_tensors(phrases).groups, rng) for phrases in (samples, real)]
    rows, found = _over_folds(compared, weights, to_tensors(real).groups, rng)
    result = RealPieces(
        pieces=pieces,
        phrases=len(real),
        distance=found.core,
        floor=found.core_floor,
        families=found.families,
        family_distance=found.mean,
        family_floor=found.floor,
        two_sample=two_sample(samples.spread(tested), real.spread(tested), seed) if tested else None,
    )
    return result, worst_faults(compared, rows, weights, samples)


def _over_folds(
    compared: Sequence[Compared], weights: Sequence[Tensor], groups: Tensor, rng: torch.Generator
) -> tuple[tuple[Row, ...], FamilyDistances]:
    """Average the distances of samples and floor over the folds; the floor has as many phrases as the samples."""
    fold, number = folds(groups, rng), weights[0].shape[1]
    known = [one for one in compared if one.parts]
    far, near = ({one.data.name: torch.zeros(len(weights[0])).double() for one in known} for _ in range(2))
    for held in range(FOLDS):
        data, floor = ((fold == held).nonzero().flatten(), (fold != held).nonzero().flatten())
        floor = floor[torch.linspace(0, len(floor) - 1, min(number, len(floor)), dtype=torch.float64).long()]
        drawn = [resample(groups[chosen].unique(return_inverse=True)[1], rng) for chosen in (data, floor)]
        for one in known:
            parts = [part.of_rows(data, floor) for part in one.parts]
            far[one.data.name] += mean_of_parts(parts, [weights[0], drawn[0]]) / FOLDS
            near[one.data.name] += mean_of_parts(parts, [drawn[1], drawn[0]], floor=True) / FOLDS
    return join_families(compared, far, near, weights[1])


def _together(batches: Sequence[Phrases]) -> Phrases:
    """Join batches of phrases of one form; no piece is in two batches."""
    starts = np.cumsum([0, *(piece_count(batch) for batch in batches[:-1])])
    onsets = [batch.onsets for batch in batches if batch.onsets is not None]
    metres = [batch.metres for batch in batches if batch.metres is not None]
    return Phrases(
        batches[0].track_set,
        batches[0].resolution,
        np.concatenate([batch.cells for batch in batches]),
        np.concatenate(onsets) if onsets else None,
        np.concatenate([batch.groups + start for batch, start in zip(batches, starts, strict=True)]),
        np.concatenate(metres) if len(metres) == len(batches) else None,
    )
