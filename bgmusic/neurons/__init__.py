"""Binary neurons and the gradient estimators behind them; needs torch alone."""

from bgmusic.neurons.estimators import ESTIMATORS, register
from bgmusic.neurons.functional import bernoulli_sample, dbn, hard_threshold, preactivate, sbn
from bgmusic.neurons.modules import DBN, NEURONS, SBN, BinaryNeuron, RealValued, set_slope

__all__ = [
    "DBN",
    "ESTIMATORS",
    "NEURONS",
    "SBN",
    "BinaryNeuron",
    "RealValued",
    "bernoulli_sample",
    "dbn",
    "hard_threshold",
    "preactivate",
    "register",
    "sbn",
    "set_slope",
]
