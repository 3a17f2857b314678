"""Gradient estimators of binary neurons, found by name.

A binary neuron computes ``b = u(sigmoid(slope * x) - v)``, with a threshold ``v`` of 0.5 (deterministic) or drawn from
U[0, 1) (stochastic). Its derivative is zero almost everywhere, so backpropagation needs an estimate. An estimator is a
function ``(logits, threshold, slope) -> output``: its forward pass decides, its backward pass applies the estimate.
:func:`register` adds one, and every neuron finds it by its name.

Each docstring gives formula, bias, variance and paper, for a loss f of the bits and ``p = sigmoid(slope x)``, the
probability of a 1. Estimators that evaluate the loss itself are in :mod:`bgmusic.neurons.score`.
"""

from bgmusic.neurons.estimators.clipped import clipped_straight_through
from bgmusic.neurons.estimators.concrete import concrete, concrete_straight_through
from bgmusic.neurons.estimators.decision import decide, substitute
from bgmusic.neurons.estimators.one_sided import one_sided
from bgmusic.neurons.estimators.registry import ESTIMATORS, RELAXED, TEMPERED, Estimator, find, register
from bgmusic.neurons.estimators.reinmax import reinmax
from bgmusic.neurons.estimators.sigmoid_adjusted import sigmoid_adjusted
from bgmusic.neurons.estimators.straight_through import straight_through

__all__ = [
    "ESTIMATORS",
    "RELAXED",
    "TEMPERED",
    "Estimator",
    "clipped_straight_through",
    "concrete",
    "concrete_straight_through",
    "decide",
    "find",
    "one_sided",
    "register",
    "reinmax",
    "sigmoid_adjusted",
    "straight_through",
    "substitute",
]
