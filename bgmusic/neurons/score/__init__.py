"""Score-function estimators: unbiased gradients for bits, from the losses of draws.

They stand where a loss is not differentiable by the bits, or where a neuron's bias is not acceptable.
All are modules with one interface, :class:`ScoreFunction`; each docstring gives formula, bias, variance and
paper, for a loss f of the bits and ``p = sigmoid(slope x)``. :func:`expected_loss` serves neurons alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.modules import BinaryNeuron
from bgmusic.neurons.score.antithetic import ARM, DisARM
from bgmusic.neurons.score.base import SCORE_FUNCTIONS, Loss, ScoreFunction, evaluate, register_score
from bgmusic.neurons.score.exact import Exact
from bgmusic.neurons.score.rebar import REBAR
from bgmusic.neurons.score.reinforce import RLOO, AdjustedReinforce, Reinforce

__all__ = [
    "ARM",
    "REBAR",
    "RLOO",
    "SCORE_FUNCTIONS",
    "AdjustedReinforce",
    "DisARM",
    "Exact",
    "Loss",
    "Reinforce",
    "ScoreFunction",
    "expected_loss",
    "register_score",
]


def expected_loss(
    loss: Loss,
    logits: Tensor,
    estimator: BinaryNeuron | ScoreFunction,
    generator: torch.Generator | None = None,
) -> Tensor:
    """``E[loss(b)]``, estimated by a neuron or a score function alike: what a program writes to try them all.

    Args:
        loss: from bits ``(batch, ...)`` to losses ``(batch,)``; differentiable by the bits where the estimator is a
            neuron.
        logits: real numbers ``(batch, ...)``.
        estimator: the neuron, or the score function.
        generator: source of the draws, on the logits' device; the global one by default.

    Returns:
        Losses ``(batch,)``, whose gradient by the logits is the estimate.

    Raises:
        ValueError: the loss does not give one number for each row.

    """
    if isinstance(estimator, BinaryNeuron):
        return evaluate(loss, estimator(logits, generator))
    losses: Tensor = estimator(loss, logits, generator)
    return losses
