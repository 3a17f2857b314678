"""Draw which places of a plan are given while a planner learns."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.networks.planner.layout import PlanLayout

_NOTHING, _WHOLE, _NONE = 0.5, 0.3, 0.3  # chances: nothing is given; a part is given whole; a part is not given


def numbers(layout: PlanLayout) -> int:
    """Return how many uniform numbers a mask takes."""
    return 1 + 2 * len(layout.places) + sum(layout.places.values())


def draw_mask(layout: PlanLayout, uniform: Tensor) -> Tensor:
    """Return which places are given.

    Nothing is given, or each part is given whole, in places, or not at all.

    Args:
        layout: places of the plans.
        uniform: numbers in [0, 1), ``(batch, numbers(layout))``.

    Returns:
        Float zeros and ones ``(batch, places)``.

    """
    parts = len(layout.places)
    nothing, chance, share, place = uniform.split([1, parts, parts, sum(layout.places.values())], 1)
    # The share of places that are given: 1, 0, or a random one.
    share = torch.where(chance < _WHOLE, 1.0, torch.where(chance > 1 - _NONE, 0.0, share))
    counts = torch.tensor(list(layout.places.values()), device=uniform.device)
    given: Tensor = (place < share.repeat_interleave(counts, 1)) & (nothing >= _NOTHING)
    return given.float()
