"""Configs of the adversarial game: objective, penalty, and D updates on top of a training loop."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bgmusic.training.loop_config import Count, LoopConfig, OptimizerConfig, Positive
from bgmusic.yaml import Config


class PenaltyConfig(Config):
    """The gradient penalty on the discriminator."""

    kind: Literal["none", "wgan-gp", "r1r2"] = "none"
    """`wgan-gp`: one-centred at interpolates (arXiv 1704.00028); `r1r2`: zero-centred at data and samples."""
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
    """WGAN-GP's lambda, or R1 + R2's gamma."""
    final_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """If given, the weight moves there geometrically during training."""
    every: Count = 1
    """Lazy penalty: computed every `every` D updates, with its weight multiplied by it (arXiv 1912.04958)."""


class WarmupConfig(Config):
    """Extra D updates at the start and periodically, as in WGAN's original code."""

    updates: Count = 100
    """D updates before each G update of the warm-up."""
    first: Annotated[int, Field(ge=0)] = 25
    """Number of G updates at the start with warm-up."""
    every: Count = 500
    """Afterwards, every `every`-th G update has a warm-up too."""


class GameConfig(LoopConfig):
    """The rules of the adversarial game, and of its training loop."""

    objective: Literal["gan", "wgan", "hinge", "relativistic"] = "wgan"
    """The losses of both sides, see bgmusic.gan.objectives."""
    penalty: PenaltyConfig = PenaltyConfig()
    """Gradient penalty on D."""
    clip: Positive | None = None
    """WGAN: D's weights are clipped to this size after each update (0.01 in the paper)."""
    d_updates: Count = 1
    """D updates before each G update."""
    reuse_batch: bool = False
    """All D updates before a G update, and that update, use the same batch of data and noise (as BinaryGAN's code)."""
    warmup: WarmupConfig | None = None
    """Extra D updates at the start and periodically."""
    d_optimizer: OptimizerConfig = OptimizerConfig()
    """D's optimizer."""

    @model_validator(mode="after")
    def _warmup_needs_game(self) -> GameConfig:
        if self.warmup and self.imitation and self.imitation.alone > 0:
            raise ValueError("warmup counts from the first update, when there is no game yet: imitation.alone=0")
        return self

    @property
    def plays(self) -> bool:
        """Whether a game is played: not if imitation alone fills the whole training."""
        return self.imitation is None or self.imitation.alone < 1
