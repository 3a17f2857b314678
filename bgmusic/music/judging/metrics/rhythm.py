"""Metrics of rhythm and form: drum patterns, groove, repeated bars."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.judging.metrics.checks import require_boolean, require_integer
from bgmusic.music.judging.metrics.packed import PackedRolls, pack

TOLERANCE = 0.1


def drum_pattern(resolution: int, steps: int, tolerance: float = TOLERANCE) -> Tensor:
    """Return the weight of a hit at each step of a bar: float32 ``(steps,)``.

    The weight is 1 on the grid and ``tolerance`` one step beside it. The grid is that of sixteenths, or of the finest
    of eighths, triplets and beats that has two steps or more. For 24 and 12 steps a beat this is MuseGAN's pattern of
    sixteenths (``[1, .1, 0, 0, 0, .1]`` and ``[1, .1, .1]``), for 16 and 8 its ``[1, .1, 0, .1]`` and ``[1, .1]``, for
    4 its eighths. At one step a beat every step is on the grid.

    Args:
        resolution: steps a beat.
        steps: steps a bar.
        tolerance: weight of a hit beside the grid.

    """
    require_integer(resolution, "resolution", 1)
    require_integer(steps, "steps", 1)
    parts = next((parts for parts in (4, 2, 3) if resolution % parts == 0 and resolution // parts > 1), 1)
    unit = resolution // parts
    position = torch.arange(steps) % unit
    weights = torch.zeros(steps)
    weights[(position == 1) | (position == unit - 1)] = tolerance
    weights[position == 0] = 1.0
    return weights


def drum_in_pattern_rate(hits: Tensor | PackedRolls, resolution: int, tolerance: float = TOLERANCE) -> Tensor:
    """Return the weighted share of a drum track's hits that fall on its pattern: float ``(batch, tracks)``, 0 to 1.

    MuseGAN's DP for any resolution: the mean of ``drum_pattern`` over the hits. ``hits`` are the cells in which a drum
    is struck. NaN for a track without a hit; a full roll gives the pattern's mean.
    """
    counts = pack(hits).per_step.float()
    weights = drum_pattern(resolution, counts.shape[3], tolerance).to(counts.device)
    return (counts @ weights).sum(-1) / counts.sum((-2, -1))


def groove_consistency(begins: Tensor) -> Tensor:
    """Return how similar the rhythms of neighbouring bars are: float ``(batch,)``, 0 to 1.

    One minus the mean share of steps at which exactly one of two neighbouring bars has an onset (in any track).
    Source: Wu and Yang, "The Jazz Transformer on the Front Line", ISMIR 2020, section 4.2 (muspy divides by one bar too
    many). ``begins`` are the first cells of notes, see ``note_begins``. NaN for phrases of one bar; 1 for silence and
    for a full roll of hits.
    """
    groove = require_boolean(begins, "begins").any(-1).any(1)
    if groove.shape[1] < 2:
        return torch.full((len(begins),), torch.nan, device=begins.device)
    return 1 - (groove[:, 1:] != groove[:, :-1]).float().mean((1, 2))


def bar_repetition(begins: Tensor) -> Tensor:
    """Return how much of a phrase is repeated within it: float ``(batch,)``, 0 to 1.

    For each pair of bars, the share of notes in common (twice the common notes over all; position, pitch and track
    must agree), averaged over the pairs in which a note begins. ``begins`` are the first cells of notes, see
    ``note_begins``. NaN for phrases of one bar and for silence.
    """
    batch, _, bars = require_boolean(begins, "begins").shape[:3]
    flat = begins.transpose(1, 2).reshape(batch, bars, -1).float()
    common = flat @ flat.transpose(1, 2)
    notes = flat.sum(-1)
    total = notes.unsqueeze(1) + notes.unsqueeze(2)
    pairs = torch.ones(bars, bars, dtype=torch.bool, device=begins.device).triu(1) & (total > 0)
    shares = torch.where(pairs, 2 * common / total.clamp(min=1), 0.0)
    return shares.sum((1, 2)) / pairs.sum((1, 2))
