"""Shared thresholds, with which the stochastic neurons of a group decide together."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.neurons.functional import check_floating


def coupled_thresholds(probabilities: Tensor, draws: Tensor) -> Tensor:
    """Return thresholds with which the number of firing SBNs in a group deviates from its mean by less than one.

    Independent neurons do not keep a count: two with probability 0.5 fire both or neither half of the time. Systematic
    sampling does. Lay the neurons of a group side by side on a line, each as long as its probability, and place points
    one unit apart with a random offset: the neurons that contain a point fire. Each neuron fires with exactly its own
    probability, and in a group whose probabilities sum to ``s`` always ``floor(s)`` or ``ceil(s)`` neurons fire.

    Args:
        probabilities: floating numbers in [0, 1], ``(..., neurons)``; each row is a group.
        draws: offset of the points, ``U[0, 1)``, one number per group: ``(..., 1)``, broadcastable to the groups.
            Groups that share an offset decide alike where their probabilities are alike.

    Returns:
        Float32 thresholds in [0, 1) of the probabilities' shape, for ``SBN.forward(..., thresholds=)``. Each is uniform
        if the draws are. They carry no gradient.

    Raises:
        ValueError: a type is not floating, or the draws are not one number per group.

    Source: systematic sampling, W. G. Madow, Annals of Mathematical Statistics 20 (1949), 333-354.

    """
    check_floating(probabilities, "probabilities")
    check_floating(draws, "draws")
    try:
        offset = draws.detach().double().expand(*probabilities.shape[:-1], 1)
    except RuntimeError:
        shapes = f"{tuple(draws.shape)}, probabilities {tuple(probabilities.shape)}"
        raise ValueError(f"draws must have one number per group, shape (..., 1); draws have shape {shapes}") from None
    exact = probabilities.detach().double()  # in float32, a sum over a hundred neurons could lose a point to rounding
    before = exact.cumsum(-1) - exact
    # Distance from a neuron's left end to the next point: the neuron fires where it is below its length.
    return torch.remainder(offset - before, 1.0).float().clamp(max=1 - 2**-24)
