"""Phrases that are asked for: what is known of them, and of the pieces that they are parts of."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bgmusic.music.networks.composer.draft import Draft
from bgmusic.music.networks.plan_bits import PlanBits


@dataclass(frozen=True)
class Request:
    """Phrases that are asked for.

    Attributes:
        draft: what is given.
        free: units to compose, boolean ``(batch, tracks, units)``.
        plan: what was decided before; None: nothing.
        keys: of the pieces, int64 ``(batch,)``; -1 or None: the phrases' own.
        earlier: the bars of the pieces before the phrases, see :func:`.earlier.recalled`; None: nothing came before.

    """

    draft: Draft
    free: Tensor
    plan: PlanBits | None = None
    keys: Tensor | None = None
    earlier: Tensor | None = None

    def chosen(self, rows: Tensor) -> Request:
        """Return the phrases with these numbers."""
        plan = None if self.plan is None else self.plan.chosen(rows)
        keys, earlier = (None if values is None else values[rows] for values in (self.keys, self.earlier))
        return Request(self.draft.map(lambda plane: plane[rows]), self.free[rows], plan, keys, earlier)
