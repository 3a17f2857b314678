"""Thresholds that stochastic neurons share, so that neurons of one group decide together."""

from __future__ import annotations

import torch
from torch import Tensor


def coupled_thresholds(probabilities: Tensor, draws: Tensor) -> Tensor:
    """Thresholds with which a group of SBNs fires as often as it is expected to, give or take less than one.

    Independent neurons that share one note (probabilities 0.5 and 0.5) fire both or neither half of the time.
    Here the neurons of a group lie side by side on a line, each as long as its probability, and a comb of teeth one
    unit apart is laid on that line at random: those fire that a tooth meets. So every neuron fires with exactly its
    own probability, and of a group whose probabilities add up to ``s`` always ``floor(s)`` or ``ceil(s)`` fire.

    Args:
        probabilities: in [0, 1], ``(..., neurons)``; a group is a row.
        draws: where the comb lies, ``U[0, 1)``, ``(..., 1)``: one number a group. Groups that share theirs decide
            alike where their probabilities are alike.

    Returns:
        Thresholds in [0, 1) of the probabilities' shape, for ``SBN.forward(..., thresholds=)``; each is uniform when
        the draws are, and nothing is differentiated by them.

    Source: systematic sampling, W. G. Madow, Annals of Mathematical Statistics 20 (1949), 333-354.

    """
    exact = probabilities.detach().double()  # a sum over a hundred neurons must not lose a tooth to rounding
    before = exact.cumsum(-1) - exact
    # The distance from a neuron's left end to the next tooth; it fires where that is below its length.
    return torch.remainder(draws.double() - before, 1.0).float().clamp(max=1 - 2**-24)
