"""Keys of what is known of phrases in advance: given notes, and planned chords."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.networks.composer.draft import Draft
from bgmusic.music.networks.composer.features import steps_of
from bgmusic.music.networks.keys import key_of, pitch_classes
from bgmusic.music.networks.plan_bits import PlanBits
from bgmusic.music.rolls.shape import RollShape


def known_keys(draft: Draft, opened: Tensor, plan: PlanBits | None, shape: RollShape) -> Tensor:
    """Return the keys of what is known, -1 where no pitched note and no chord is: int64 ``(batch,)``.

    Args:
        draft: the phrases.
        opened: units that are not known, boolean ``(batch, tracks, units)``.
        plan: of the phrases; None: nothing is planned.
        shape: of the phrases.

    """
    known = ~steps_of(opened, shape).unsqueeze(3)
    weights = pitch_classes(draft.cells * known, shape)
    if plan is not None:
        weights = weights + shape.unit * plan.pitch_classes
    return torch.where(weights.sum(1) > 0, key_of(weights), -1)


def known_or_own_keys(draft: Draft, opened: Tensor, plan: PlanBits | None, shape: RollShape) -> Tensor:
    """Return the keys of what is known, of whole phrases where nothing is; see :func:`known_keys`."""
    keys = known_keys(draft, opened, plan, shape)
    return torch.where(keys < 0, key_of(pitch_classes(draft.cells, shape)), keys)
