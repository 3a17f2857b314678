"""Binary neurons and gradient estimators for PyTorch models; requires torch only.

- Neurons: :class:`DBN` and :class:`SBN`, layers made of them, and the functions :func:`dbn` and :func:`sbn`.
- Gradient estimators by name: :data:`ESTIMATORS`; estimators that evaluate the loss: :data:`SCORE_FUNCTIONS`,
  :func:`expected_loss`.
- Tools: :class:`Annealing` of slopes and temperatures, :class:`FiringRecorder`.
"""

from bgmusic.neurons.annealing import Annealing, Glide, Stairs
from bgmusic.neurons.bottleneck import BitsBottleneck, from_integers, to_integers
from bgmusic.neurons.draws import uniform_draws
from bgmusic.neurons.estimators import ESTIMATORS, register
from bgmusic.neurons.firing import Firing, FiringRecorder
from bgmusic.neurons.functional import bernoulli_sample, dbn, hard_threshold, preactivate, sbn
from bgmusic.neurons.gate import BinaryGate
from bgmusic.neurons.layers import BinaryConv1d, BinaryConv2d, BinaryConv3d, BinaryDense, Thresholded
from bgmusic.neurons.modules import DBN, NEURONS, SBN, BinaryNeuron, RealValued, set_slope, set_temperature
from bgmusic.neurons.score import SCORE_FUNCTIONS, ScoreFunction, expected_loss, register_score

__all__ = [
    "DBN",
    "ESTIMATORS",
    "NEURONS",
    "SBN",
    "SCORE_FUNCTIONS",
    "Annealing",
    "BinaryConv1d",
    "BinaryConv2d",
    "BinaryConv3d",
    "BinaryDense",
    "BinaryGate",
    "BinaryNeuron",
    "BitsBottleneck",
    "Firing",
    "FiringRecorder",
    "Glide",
    "RealValued",
    "ScoreFunction",
    "Stairs",
    "Thresholded",
    "bernoulli_sample",
    "dbn",
    "expected_loss",
    "from_integers",
    "hard_threshold",
    "preactivate",
    "register",
    "register_score",
    "sbn",
    "set_slope",
    "set_temperature",
    "to_integers",
    "uniform_draws",
]
