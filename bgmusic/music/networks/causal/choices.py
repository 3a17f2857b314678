"""Choose by binary neurons: what their inputs are compared with, and which row of many is chosen."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bgmusic.music.networks.causal.noise import NOTES
from bgmusic.music.networks.causal.parts import Parts
from bgmusic.neurons import SBN

_LARGEST = 1 - 1e-3  # probability of rows up to one at which its neuron may fire; above, none starts


def limits(parts: Parts, thresholds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what inputs of a binary neuron are compared with: it fires where they are larger.

    ``u(sigmoid(slope x) - v)`` is 1 where x is larger than ``logit(v) / slope``. An input that is the logit of a
    probability p need not be computed: p is larger than the sigmoid of that limit.

    Args:
        parts: its neuron; a deterministic one has the threshold 0.5.
        thresholds: ``v`` of a stochastic one, ``(steps, tracks, numbers, batch)``.

    Returns:
        Limits of logits for ``CHANGE`` and ``GOING_ON``, of probabilities for notes, which are at most ``_LARGEST``
        (above, no neuron fires), and of logits for beats that return.

    """
    neuron, notes = parts.neuron, NOTES + parts.settings.chords
    logits = thresholds.logit().div_(neuron.slope) if isinstance(neuron, SBN) else torch.zeros_like(thresholds)
    chances = logits[:, :, NOTES:notes].sigmoid()
    return logits[:, :, :NOTES], chances.masked_fill_(chances >= _LARGEST, math.inf), logits[:, :, notes:]


def choose(parts: Parts, logits: Tensor, limits: Tensor) -> Tensor:
    """Choose a row for each item: the lowest whose binary neuron fires, else the last.

    The neuron of a row has the logit of the probability that this row or a lower one is chosen; all rows share a
    threshold, so each row is chosen with its own probability.

    Args:
        parts: for the nucleus.
        logits: ``(items, rows + 1)``.
        limits: of these probabilities, see :func:`limits`: ``(items,)``.

    Returns:
        int64 ``(items,)``.

    """
    below = nucleus(logits.softmax(1), parts.settings.nucleus).cumsum(1)
    return (below[:, :-1] <= below[:, -1:] * limits[:, None]).sum(1)


def nucleus(probabilities: Tensor, share: float) -> Tensor:
    """Keep the most likely values that together have the probability ``share``; the others become 0.

    Source: Holtzman et al., "The curious case of neural text degeneration", arXiv 1904.09751.
    """
    if share >= 1:
        return probabilities
    ordered, order = probabilities.sort(descending=True)
    kept = ordered * (ordered.cumsum(-1) - ordered < share)
    return torch.zeros_like(probabilities).scatter(-1, order, kept)
