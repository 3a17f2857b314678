"""Statistics of tonality: how clearly a phrase is in a key, and how far the key moves.

Keys are found with Krumhansl and Schmuckler's algorithm: the correlation of the durations of the twelve pitch classes
with the 24 probe-tone profiles of Krumhansl and Kessler (Krumhansl, "Cognitive Foundations of Musical Pitch", 1990,
chapter 4 and table 2.1).
"""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.judging.statistics.statistic import Statistic, histogram, share_bins
from bgmusic.music.judging.statistics.view import PhraseView

FAMILY = "harmony"
MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
WINDOW = 2
"""Bars of a window of key drift."""
_CLASSES, _FIFTH, _RELATIVE = 12, 7, 3


def keys(profile: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the key of profiles of pitch classes.

    Args:
        profile: ``(..., 12)``, duration of each pitch class, C first.

    Returns:
        The tonic, int64 ``(...)``, 0 for C; whether the key is minor, boolean; the correlation with the key's profile,
        float64, NaN for silence and for profiles without variation.

    """
    references = torch.stack(
        [
            torch.tensor(weights, dtype=torch.float64).roll(tonic)
            for weights in (MAJOR_PROFILE, MINOR_PROFILE)
            for tonic in range(_CLASSES)
        ]
    )
    scores = _standard(profile.double()) @ _standard(references).T / _CLASSES
    best, place = scores.nan_to_num(-1).max(-1)
    clarity = torch.where(scores.isnan().any(-1), torch.nan, best)
    return place % _CLASSES, place >= _CLASSES, clarity


def tonality(view: PhraseView) -> list[Statistic]:
    """Return the clarity of each phrase's key, and the distance between the keys of neighbouring windows of two bars.

    The distance is that of the key signatures on the circle of fifths, 0 to 6.
    """
    tonic, minor, clarity = keys(view.chroma.sum(1))
    row = (~clarity.isnan()).nonzero().flatten()
    index, values = share_bins(clarity[row], 101)
    windows = view.chroma.split(WINDOW, dim=1)
    whole = torch.stack([window.sum(1) for window in windows], dim=1)
    tonic, minor, known = keys(whole)
    signature = (tonic + _RELATIVE * minor) % _CLASSES
    fifths = (signature.diff(dim=1) * _FIFTH) % _CLASSES
    drift = torch.minimum(fifths, _CLASSES - fifths)
    both = ~(known[:, 1:].isnan() | known[:, :-1].isnan())
    return [
        histogram("key clarity", FAMILY, row, index, values, view.count),
        histogram("drift of the key", FAMILY, both.nonzero()[:, 0], drift[both], torch.arange(7), view.count),
    ]


def _standard(values: Tensor) -> Tensor:
    """Return values with mean 0 and variance 1 along the last dimension; NaN if they are constant."""
    centred = values - values.mean(-1, keepdim=True)
    scale = centred.square().mean(-1, keepdim=True).sqrt()
    return torch.where(scale > 1e-12 * values.abs().amax(-1, keepdim=True), centred / scale, torch.nan)
