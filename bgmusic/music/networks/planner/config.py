"""Config of a planner and its training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bgmusic.gan.game_config import GameConfig
from bgmusic.music.plans.shape import PlanShape
from bgmusic.training.loop_config import AverageConfig, EstimatorName, ImitationConfig, OptimizerConfig
from bgmusic.yaml import Config

Width = Annotated[int, Field(ge=1, le=4096)]


class PlanSize(Config):
    """The size of the plans: filled in from the corpus."""

    tracks: Annotated[tuple[str, ...], Field(max_length=64)]
    """Names of the tracks."""
    drums: Annotated[tuple[bool, ...], Field(max_length=64)]
    """Whether each track is drums."""
    bars: Annotated[int, Field(ge=1, le=64)]
    """Bars of a plan."""
    beats: Annotated[int, Field(ge=1, le=64)]
    """Beats of a bar."""

    @model_validator(mode="after")
    def _check(self) -> PlanSize:
        try:
            self.shape()
        except Exception as error:
            raise ValueError(str(error)) from None
        return self

    def shape(self) -> PlanShape:
        """Return the size as a ``PlanShape``."""
        return PlanShape(self.tracks, self.drums, self.bars, self.beats)


class PlannerNetworkConfig(Config):
    """The networks of a planner."""

    keyed: Width = 32
    """Channels of each pitch class in G's hidden layers."""
    plain: Width = 128
    """Channels that transposition leaves as they are, in G's hidden layers."""
    layers: Annotated[int, Field(ge=1, le=16)] = 3
    """Hidden layers of G."""
    judge_keyed: Width = 32
    """Channels of each pitch class in D's hidden layers."""
    judge_plain: Width = 128
    """Channels that transposition leaves as they are, in D's hidden layers."""
    judge_layers: Annotated[int, Field(ge=1, le=16)] = 3
    """Hidden layers of D."""
    noise: Width = 128
    """Numbers of noise of a plan, besides 12 that choose its key."""
    passes: Annotated[int, Field(ge=2, le=256)] = 30
    """Passes over which a planner that imitates decides; a planner of the game decides at once."""


IMITATION = ImitationConfig(alone=1.0)
DEFAULT_TRAINING = GameConfig(
    steps=4000,
    batch=256,
    precision="auto",
    imitation=IMITATION,
    g_optimizer=OptimizerConfig(rate=2e-3, betas=(0.9, 0.99), schedule="cosine", decay_from=0.3, final=0.03),
    average=AverageConfig(horizon=1000, ramp=0.1),
)
"""The training of the preset ``default``: imitation."""


class PlannerConfig(Config):
    """A training on plans: imitation, or a game of binary neurons (``training.imitation: null``)."""

    network: PlannerNetworkConfig = PlannerNetworkConfig()
    """Generator and discriminator."""
    neuron: Literal["dbn", "sbn"] = "dbn"
    """Neurons that decide in a game."""
    estimator: EstimatorName = "sigmoid-adjusted"
    """Gradient estimator of the neurons."""
    training: GameConfig = DEFAULT_TRAINING
    """Objective, optimizers and schedules."""
    plans: PlanSize | None = None
    """The size of the plans; the corpus fills it in."""

    @model_validator(mode="after")
    def _plays_or_imitates(self) -> PlannerConfig:
        imitation = self.training.imitation
        if imitation is not None and imitation.alone not in (0.0, 1.0):
            raise ValueError("a planner learns by the game or by imitation alone: training.imitation.alone is 0 or 1")
        return self

    @property
    def imitates(self) -> bool:
        """Whether the planner learns by imitation alone, and decides in several passes."""
        return not self.training.plays
