"""Decide which row of a line sounds: the binary neurons of a line share a threshold that exactly one of them passes."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons import DBN, BinaryNeuron, sbn
from bgmusic.neurons.coupling import coupled_thresholds


def choose_rows(neuron: BinaryNeuron, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Choose one of the last dimension's rows: zeros and a single one, of the logits' shape.

    A deterministic neuron's threshold lies between the two largest outputs, so that the most likely row fires. With
    stochastic neurons, the lowest row is chosen for which the sum of the probabilities up to it passes a uniform
    threshold. Gradients are those of the neuron's estimator.

    Args:
        neuron: a DBN or an SBN, for its slope and estimator.
        logits: float ``(..., rows)``.
        generator: source of the draws.

    """
    chances = (neuron.slope * logits.float()).softmax(-1)
    if isinstance(neuron, DBN):
        two = chances.detach().topk(2, -1).values
        threshold = two.mean(-1, keepdim=True)
        # Of two equal rows none would pass.
        threshold = torch.where(two[..., 1:] < threshold, threshold, two[..., :1] * (1 - 1e-6))
        fired = sbn(_logit(chances), 1.0, neuron.current_estimator(), thresholds=threshold.clamp(max=1 - 1e-7))
        return fired
    draws = torch.rand(*logits.shape[:-1], 1, generator=generator, device=logits.device)
    thresholds = coupled_thresholds(chances, draws)
    return sbn(_logit(chances), 1.0, neuron.current_estimator(), thresholds=thresholds)


def hold(changes: Tensor, rows: Tensor) -> Tensor:
    """Return the rows that sound: a chosen row lasts until the next change.

    Args:
        changes: zeros and ones ``(batch, steps, lines)``; the first step always changes.
        rows: ``(batch, steps, lines, rows)``, see :func:`choose_rows`.

    Returns:
        Zeros and ones of the shape of ``rows``.

    """
    sounding = rows[:, 0]
    steps = [sounding]
    for change, row in zip(changes[:, 1:].unsqueeze(3).unbind(1), rows[:, 1:].unbind(1), strict=True):
        sounding = sounding + change * (row - sounding)
        steps.append(sounding)
    return torch.stack(steps, 1)


def _logit(chances: Tensor) -> Tensor:
    return chances.clamp(1e-6, 1 - 1e-6).logit()
