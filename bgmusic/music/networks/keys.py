"""Transpose phrases to a common key, so that all keys are alike to the network.

The key of a phrase is the major scale that fits its notes best (a minor key has the scale of its relative major). The
network composes in C; the result is transposed to the phrase's key. Drums stay as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.rolls.shape import RollShape

KEYS = 12
MARGIN = 6
"""Rows that the network has beyond the pitches of the track set, below and above."""
_SCALE = (0, 2, 4, 5, 7, 9, 11)
# How long each pitch class sounds in the chorales of `bach` (training pieces), from the tonic of the major scale up.
_SHARES = (0.165, 0.013, 0.133, 0.003, 0.159, 0.088, 0.013, 0.151, 0.022, 0.153, 0.009, 0.091)
_BESIDE = 1 / 30  # weight of these shares beside the scale
_UP = 5  # a key up to F is reached by transposing up, others by transposing down


def pitch_classes(cells: Tensor, shape: RollShape) -> Tensor:
    """Return how long each pitch class sounds, over all tracks but drums: float32 ``(batch, 12)``, C first.

    Args:
        cells: ``(batch, tracks, steps, pitches)``, zeros and ones.
        shape: of the phrases.

    """
    pitched = ~torch.tensor(shape.drums, device=cells.device)
    weights = cells[:, pitched].sum((1, 2), dtype=torch.float32)
    classes = (torch.arange(shape.pitches, device=cells.device) + shape.track_set.low) % KEYS
    return weights.new_zeros(len(cells), KEYS).index_add_(1, classes, weights)


def key_of(weights: Tensor) -> Tensor:
    """Return the key whose major scale has the largest weight, C is 0: ``(batch, 12)`` to int64 ``(batch,)``.

    A single voice often fits several scales alike. Between these the usual shares of the scale's degrees decide, as
    likelihoods: so the key of an alto is that of its chorale in 71% of phrases (58% if the first fitting scale is
    taken), of a pop song's melody in 79% (52%).
    """
    scale = _BESIDE * weights.new_tensor(_SHARES).log()
    scale[list(_SCALE)] += 1
    fits = torch.stack([(weights * scale.roll(key)).sum(1) for key in range(KEYS)], 1)
    return fits.argmax(1)


def draw_keys(counts: Tensor, numbers: Tensor) -> Tensor:
    """Draw keys as often as they were counted, by uniform numbers: int64 ``(12,)``, ``(batch,)`` to ``(batch,)``."""
    shares = counts.double().cumsum(0) / counts.sum()
    return torch.searchsorted(shares, numbers.double(), right=True).clamp(max=KEYS - 1)


def semitones_up(keys: Tensor) -> Tensor:
    """Return the semitones up from C to keys, -5 to 6: int64 ``(batch,)``."""
    return torch.where(keys <= KEYS - 1 - _UP, keys, keys - KEYS)


def to_common(plane: Tensor, keys: Tensor, shape: RollShape) -> Tensor:
    """Transpose phrases to C: ``(batch, tracks, steps, pitches)`` to ``(batch, tracks, steps, pitches + 12)``."""
    wide = F.pad(plane, (MARGIN, MARGIN))
    return wide.gather(3, _rows(keys, shape, 1)[:, :, None].expand(wide.shape))


def from_common(plane: Tensor, keys: Tensor, shape: RollShape) -> Tensor:
    """Transpose phrases from C to their keys: the inverse of :func:`to_common`."""
    back = plane.gather(3, _rows(keys, shape, -1)[:, :, None].expand(plane.shape))
    return back[..., MARGIN:-MARGIN]


def common_harmony(harmony: Tensor, keys: Tensor) -> Tensor:
    """Transpose pitch classes to C: ``(batch, ..., 12)``, of the same shape."""
    place = (torch.arange(KEYS, device=keys.device) + keys[:, None]) % KEYS
    place = place.view(len(keys), *(1,) * (harmony.dim() - 2), KEYS)
    return harmony.gather(-1, place.expand(harmony.shape))


def _rows(keys: Tensor, shape: RollShape, sign: int) -> Tensor:
    """Return the row from which each row is taken: int64 ``(batch, tracks, pitches + 12)``."""
    down = torch.where(torch.tensor(shape.drums, device=keys.device), 0, semitones_up(keys)[:, None])
    rows = torch.arange(shape.pitches + 2 * MARGIN, device=keys.device)
    # Rows that are moved across the end come from the silent margin.
    return (rows + sign * down[..., None]) % len(rows)
