"""Score-function estimators: unbiased gradients of the expected loss of bits, from the losses of samples.

Use them if the loss is not differentiable by the bits, or if a neuron's bias is not acceptable. All are modules with
one interface, :class:`ScoreFunction`. Each docstring gives formula, bias, variance and paper, for a loss f of the bits
and ``p = sigmoid(slope x)``. :func:`expected_loss` accepts neurons too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.modules import BinaryNeuron
from bgmusic.neurons.score.antithetic import ARM, DisARM
from bgmusic.neurons.score.base import SCORE_FUNCTIONS, Loss, ScoreFunction, check_logits, evaluate, register_score
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
    """Estimate ``E[loss(b)]`` by a neuron or a score function, with one interface for both.

    Args:
        loss: function from bits ``(batch, ...)`` to losses ``(batch,)``; differentiable by the bits if the estimator is
            a neuron.
        logits: real numbers ``(batch, ...)``.
        estimator: the neuron or score function.
        generator: source of the draws, on the logits' device; the global one by default.

    Returns:
        Losses ``(batch,)``, whose gradient by the logits is the estimate.

    Raises:
        TypeError: ``estimator`` is neither a neuron nor a score function.
        ValueError: the logits are not floating or have no batch dimension, or the loss does not return one number per
            row.

    """
    if not isinstance(estimator, BinaryNeuron | ScoreFunction):
        raise TypeError(f"the estimator must be one such as DisARM() or SBN('reinmax'), not {estimator!r}")
    check_logits(logits)
    if isinstance(estimator, BinaryNeuron):
        return evaluate(loss, estimator(logits, generator))
    losses: Tensor = estimator(loss, logits, generator)
    return losses
