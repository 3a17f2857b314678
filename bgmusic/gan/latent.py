"""Paths through latent space along great circles, on which noise stays as likely as a draw of N(0, 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_FLAT = 1e-6  # sine of the angle below which the arc is computed as a straight line


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Interpolate spherically between ``start`` and ``end``, both ``(..., latent)``.

    ``share`` 0 gives the start and 1 the end, exactly. Between two draws of ``N(0, 1)`` each point has the length of
    such a draw; on the straight line it would be shorter (White, arXiv 1609.04468).

    Raises:
        ValueError: the shapes differ.

    """
    if start.shape != end.shape:
        raise ValueError(f"start and end have shapes {tuple(start.shape)} and {tuple(end.shape)}")
    cosine = torch.nn.functional.cosine_similarity(start.double(), end.double(), dim=-1).clamp(-1, 1)
    angle = cosine.arccos().unsqueeze(-1)
    sine = angle.sin()
    flat = sine < _FLAT
    sine = torch.where(flat, 1, sine)
    before = torch.where(flat, 1 - share, ((1 - share) * angle).sin() / sine)
    after = torch.where(flat, share, (share * angle).sin() / sine)
    return before.to(start.dtype) * start + after.to(start.dtype) * end


def great_circle(start: Tensor, end: Tensor, points: int) -> list[Tensor]:
    """Return ``points`` points at equal steps from ``start`` to ``end``, both included.

    Raises:
        ValueError: ``points`` is below 2.

    """
    if points < 2:
        raise ValueError(f"a path between two points has at least two points, not {points}")
    return [slerp(start, end, number / (points - 1)) for number in range(points)]


def wander(start: Tensor, draw: Callable[[], Tensor], stride: int) -> Iterator[Tensor]:
    """Yield an endless path from ``start`` through waypoints of ``draw``, ``stride`` points from one to the next.

    Consecutive points are a ``stride``-th of the way between two waypoints apart: for independent waypoints, about
    90 degrees / ``stride``.
    """
    while True:
        end = draw()
        for number in range(stride):
            yield slerp(start, end, number / stride)
        start = end
