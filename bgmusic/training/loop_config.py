"""Configs of a training loop: optimizer, schedules, precision and intervals."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bgmusic.neurons.estimators import find
from bgmusic.yaml import Config


def _known_estimator(name: str) -> str:
    find(name)
    return name


EstimatorName = Annotated[str, AfterValidator(_known_estimator)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Config):
    """An optimizer and its learning rate schedule."""

    kind: Literal["adam", "rmsprop"] = "adam"
    """Adam (arXiv 1412.6980) or RMSprop."""
    rate: Positive = 1e-4
    """Learning rate at the start."""
    betas: tuple[Decay, Decay] = (0.5, 0.9)
    """Adam's decay of the first and second moment."""
    smoothing: Decay = 0.9
    """RMSprop's decay of the squared gradient."""
    decay: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Adam's decoupled weight decay of matrices (AdamW, arXiv 1711.05101); vectors are not decayed."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the rate decays from `decay_from` to the end of training."""
    decay_from: Share = 0.0
    """Share of the training after which the rate starts to decay."""
    final: Share = 0.0
    """The rate at the end, as a share of `rate`."""
    rise: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Linear warm-up: updates over which the rate rises from 0."""
    longest: Positive | None = None
    """If given, gradients are clipped to this norm (over all weights)."""


class AverageConfig(Config):
    """The averaged generator: an exponential moving average of G's weights, which is used for sampling."""

    horizon: Count = 1000
    """Time constant in G updates: the decay is 1 - 1/horizon."""
    ramp: Share = 1.0
    """Early in training, the horizon is at most this share of the updates made."""


class SlopeConfig(Config):
    """Slope annealing of the binary neurons."""

    growth: Annotated[float, Field(ge=1, le=10)] = 1.0
    """Factor by which the slope grows (1.1 in the papers)."""
    every: Count = 937
    """G updates between two steps of growth (one epoch of MNIST in batches of 64)."""
    limit: Annotated[float, Field(ge=1, le=1e6)] = 100.0
    """The slope never grows beyond this."""
    final: Annotated[float, Field(ge=1e-6, le=1e6)] | None = None
    """If given, the slope grows geometrically from 1 to this value over the whole training."""


class ImitationConfig(Config):
    """Imitation: G also learns from the data directly, as a warm start and during the game."""

    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Weight of G's imitation loss beside its adversarial loss."""
    alone: Share = 0.5
    """Share of the training with imitation alone; then the game starts (1: never)."""


class LoopConfig(Config):
    """A training loop without an opponent: batches, optimizer, averaging, precision and intervals."""

    steps: Count = 18_740
    """Total number of G updates."""
    batch: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Samples of each kind in an update."""
    accumulate: Count = 1
    """Micro-batches of an update; their gradients are averaged."""
    g_optimizer: OptimizerConfig = OptimizerConfig()
    """G's optimizer."""
    average: AverageConfig | None = None
    """The averaged generator; without it, G itself samples."""
    slope: SlopeConfig = SlopeConfig()
    """Slope annealing."""
    imitation: ImitationConfig | None = None
    """If given, G also learns from the data directly."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    """Type of matrix products; penalties and losses stay float32. ``auto``: bfloat16 where the device supports it."""
    log_every: Count = 100
    """G updates between two lines of metrics, each a mean over them."""
    sample_every: Count = 1000
    """G updates between two sample pictures."""
    checkpoint_every: Count = 1000
    """G updates between two checkpoints. A training is saved at least every two minutes, too."""

    @model_validator(mode="after")
    def _even(self) -> LoopConfig:
        if self.batch % self.accumulate:
            raise ValueError(f"a batch of {self.batch} can't be split evenly into accumulate = {self.accumulate}")
        return self
