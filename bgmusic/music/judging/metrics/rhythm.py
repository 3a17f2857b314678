"""Metrics of rhythm and form: drum patterns, groove, repeated bars."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.judging.metrics.lanes import Lanes, lanes

TOLERANCE = 0.1


def drum_pattern(resolution: int, steps: int, tolerance: float = TOLERANCE) -> Tensor:
    """What a hit counts in each step of a bar: float32 ``(steps,)``; 1 on the grid, ``tolerance`` right beside it.

    The grid is that of sixteenths, or of the finest of eighths, triplets and beats that has two steps or more. For 24
    and 12 steps a beat this is MuseGAN's pattern of sixteenths (``[1, .1, 0, 0, 0, .1]`` and ``[1, .1, .1]``), for 16
    and 8 its ``[1, .1, 0, .1]`` and ``[1, .1]``, for 4 its eighths. One step a beat leaves nothing beside the grid.
    """
    parts = next((parts for parts in (4, 2, 3) if resolution % parts == 0 and resolution // parts > 1), 1)
    unit = resolution // parts
    position = torch.arange(steps) % unit
    weights = torch.zeros(steps)
    weights[(position == 1) | (position == unit - 1)] = tolerance
    weights[position == 0] = 1.0
    return weights


def drum_in_pattern_rate(hits: Tensor | Lanes, resolution: int, tolerance: float = TOLERANCE) -> Tensor:
    """How many of a track's hits fall on its pattern: float ``(batch, tracks)``, 0 to 1.

    The sum of ``drum_pattern`` over the hits, over their number: MuseGAN's DP, for any resolution. ``hits`` are the
    cells in which a drum is struck. NaN for a track without a hit; a full roll gives the pattern's mean.
    """
    counts = lanes(hits).per_step.float()
    weights = drum_pattern(resolution, counts.shape[3], tolerance).to(counts.device)
    return (counts @ weights).sum(-1) / counts.sum((-2, -1))


def groove_consistency(begins: Tensor) -> Tensor:
    """How alike the rhythms of neighbouring bars are: float ``(batch,)``, 0 to 1.

    One minus the mean share of positions at which one of two neighbouring bars has an onset (in any track) and the
    other has none. Source: Wu and Yang, "The Jazz Transformer on the Front Line", ISMIR 2020, section 4.2 (muspy's
    counts a bar too many). ``begins`` as by ``note_begins``. NaN for phrases of one bar; 1 for silence and for a full
    roll of hits.
    """
    groove = begins.any(-1).any(1)
    if groove.shape[1] < 2:
        return torch.full((len(begins),), torch.nan, device=begins.device)
    return 1 - (groove[:, 1:] != groove[:, :-1]).float().mean((1, 2))


def bar_repetition(begins: Tensor) -> Tensor:
    """How much of a phrase comes back in it: float ``(batch,)``, 0 to 1.

    For every pair of a phrase's bars, the share of their notes that they have in common (twice the common ones over
    all; position, pitch and track must agree), averaged over the pairs in which a note begins. ``begins`` as by
    ``note_begins``. NaN for phrases of one bar and for silence.
    """
    batch, _, bars = begins.shape[:3]
    flat = begins.transpose(1, 2).reshape(batch, bars, -1).float()
    common = flat @ flat.transpose(1, 2)
    notes = flat.sum(-1)
    total = notes.unsqueeze(1) + notes.unsqueeze(2)
    pairs = torch.ones(bars, bars, dtype=torch.bool, device=begins.device).triu(1) & (total > 0)
    shares = torch.where(pairs, 2 * common / total.clamp(min=1), 0.0)
    return shares.sum((1, 2)) / pairs.sum((1, 2))
