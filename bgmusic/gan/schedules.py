"""Schedules of the game: the penalty's weight and the number of D updates, as functions of progress."""

from __future__ import annotations

import math

from bgmusic.gan.game_config import PenaltyConfig, WarmupConfig


def penalty_weight(config: PenaltyConfig, progress: float) -> float:
    """Return the penalty's weight at ``progress`` in [0, 1]: geometric from ``weight`` to ``final_weight``."""
    if config.final_weight is None:
        return config.weight
    if config.weight == 0 or config.final_weight == 0:  # a geometric path can't reach zero: linear
        return config.weight + (config.final_weight - config.weight) * progress
    return math.exp((1 - progress) * math.log(config.weight) + progress * math.log(config.final_weight))


def discriminator_updates(updates: int, warmup: WarmupConfig | None, step: int) -> int:
    """Return the number of D updates before G update number ``step`` (from 0)."""
    if warmup and (step < warmup.first or step % warmup.every == 0):
        return warmup.updates
    return updates
