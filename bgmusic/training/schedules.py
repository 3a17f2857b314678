"""Schedules: learning rate, slope and averaging as functions of a training's progress."""

from __future__ import annotations

import math

from bgmusic.training.loop_config import AverageConfig, OptimizerConfig, SlopeConfig


def learning_rate(config: OptimizerConfig, progress: float, updates: int = 0) -> float:
    """Return the learning rate at ``progress`` in [0, 1], after ``updates`` updates of the weights."""
    rate = _falling(config, progress)
    return rate * (updates + 1) / config.rise if updates < config.rise else rate


def _falling(config: OptimizerConfig, progress: float) -> float:
    if config.schedule == "constant" or progress <= config.decay_from:
        return config.rate
    gone = (progress - config.decay_from) / (1 - config.decay_from)
    left = 1 - gone if config.schedule == "linear" else (1 + math.cos(math.pi * gone)) / 2
    return config.rate * (config.final + (1 - config.final) * left)


def slope(config: SlopeConfig, step: int, progress: float = 0.0) -> float:
    """Return the neurons' slope after ``step`` G updates, at ``progress`` in [0, 1] of the training.

    ``growth^(step // every)`` up to the limit, as in the papers; or ``final^progress``.
    """
    if config.final is not None:
        return math.exp(progress * math.log(config.final))
    rises = step // config.every
    # Compare logarithms: growth^rises overflows in a long training, long after the limit is reached.
    exponent = rises * math.log(config.growth)
    return config.limit if exponent >= math.log(config.limit) else math.exp(exponent)


def average_decay(config: AverageConfig, step: int) -> float:
    """Return the averaged generator's decay at G update ``step`` (from 1): ``1 - 1/horizon``, ramped up."""
    return 1 - 1 / max(1.0, min(config.horizon, config.ramp * step))
