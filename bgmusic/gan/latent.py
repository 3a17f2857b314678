"""Ways through latent space: great circles, on which noise stays as likely as noise is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_FLAT = 1e-6  # of a sine; below it, the circle's arc is a straight line


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """A point on the great circle from ``start`` to ``end``, both ``(..., latent)``: spherical linear interpolation.

    ``share`` 0 is the start and 1 the end, exactly. Between two draws of ``N(0, 1)`` every point is, in many
    dimensions, as a draw of ``N(0, 1)``; on the straight line it would be shorter than any (White, arXiv 1609.04468).
    """
    cosine = torch.nn.functional.cosine_similarity(start.double(), end.double(), dim=-1).clamp(-1, 1)
    angle = cosine.arccos().unsqueeze(-1)
    sine = angle.sin()
    flat = sine < _FLAT
    sine = torch.where(flat, 1, sine)
    before = torch.where(flat, 1 - share, ((1 - share) * angle).sin() / sine)
    after = torch.where(flat, share, (share * angle).sin() / sine)
    return before.to(start.dtype) * start + after.to(start.dtype) * end


def great_circle(start: Tensor, end: Tensor, points: int) -> list[Tensor]:
    """So many points (two at least) in equal steps from ``start`` to ``end``, both included.

    Raises:
        ValueError: fewer than two points are no way.

    """
    if points < 2:
        raise ValueError(f"a way from one noise to another has two points at least, not {points}")
    return [slerp(start, end, number / (points - 1)) for number in range(points)]


def wander(start: Tensor, draw: Callable[[], Tensor], stride: int) -> Iterator[Tensor]:
    """An endless path from ``start`` through waypoints that ``draw`` draws, ``stride`` points from each to the next.

    Neighbours are a ``stride``-th of the way between two waypoints apart: of independent ones, about 90 degrees /
    ``stride``.
    """
    while True:
        end = draw()
        for number in range(stride):
            yield slerp(start, end, number / stride)
        start = end
