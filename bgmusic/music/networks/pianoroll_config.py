"""Configs of piano-roll trainings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from bgmusic.gan.game_config import GameConfig
from bgmusic.music.rolls.roll import Encoding
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.loop_config import EstimatorName, Share
from bgmusic.yaml import Config

Width = Annotated[int, Field(ge=1, le=16_384)]


class NetworkConfig(Config):
    """BinaryMuseGAN's networks (arXiv 1804.09399), whose sizes follow from the rolls."""

    kind: Literal["musegan"] = "musegan"
    """`musegan`."""
    latent: Width = 128
    """Numbers of noise that a phrase is made of, each N(0, 1)."""
    first: Width = 512
    """Channels of G's first layer (256 in its small form)."""
    width: Annotated[float, Field(gt=0, le=8, allow_inf_nan=False)] = 1.0
    """Channels of all layers, as a multiple of the paper's."""
    refiner: Annotated[int, Field(ge=0, le=8)] = 2
    """Residual units of the refiner; 0: no refiner, G's own output is what the neuron decides on."""
    discriminator: Literal["full", "ablated-1", "ablated-2"] = "full"
    """`full`; `ablated-1` has no onset and chroma streams; `ablated-2` is one network that all tracks share."""
    norm: Literal["batch", "scale"] = "batch"
    """In G and its refiner: batch norm, or its learned scale and offset alone (as the original code runs)."""


class ComposerConfig(Config):
    """Our own networks: a generator that drafts and revises, and a judge over beats and pitches."""

    kind: Literal["composer"]
    """`composer`."""
    channels: Width = 64
    """Channels of a cell (a beat and a pitch) in G."""
    layers: Annotated[int, Field(ge=1, le=64)] = 6
    """Layers of G, each mixing over beats and pitches."""
    expansion: Annotated[int, Field(ge=1, le=8)] = 2
    """Hidden channels of a layer, as a multiple of `channels`."""
    stages: Annotated[int, Field(ge=1, le=1024)] = 24
    """How often G decides: a draft, then revisions."""
    falling: Share = 0.9
    """Share of the stages over which the part of a phrase that is revised falls."""
    least: Share = 0.05
    """The share of a phrase that the last stages revise."""
    lesson: Share = 0.3
    """While G learns from D, the share of a phrase that its last stage decides, the one that is differentiated."""
    rests: bool = False
    """Whether a track rests is decided before which notes sound."""
    chords: Annotated[int, Field(ge=0, le=32)] = 0
    """How many notes a track plays is decided before which they are: up to so many are told apart; 0: only their
    expected number is known."""
    form: bool = False
    """Which of a track's bars come back is decided first of all."""
    hidden: Literal["any", "tracks"] = "any"
    """What is hidden from G while it imitates: `any` units, in many ways; `tracks`: whole tracks, to learn to accompany
    the others (MuseGAN's conditional generator; what is given enters G as everything else that it knows)."""
    judge_channels: Width = 32
    """Channels of a cell in D."""
    judge_layers: Annotated[int, Field(ge=1, le=64)] = 3
    """Layers of D."""

    @model_validator(mode="after")
    def _chords_sound(self) -> ComposerConfig:
        if self.chords and not self.rests:
            raise ValueError("network.chords, of a track that sounds, needs network.rests")
        return self


def _kind(value: Any) -> str:
    kind = value.get("kind", "musegan") if isinstance(value, Mapping) else getattr(value, "kind", "musegan")
    return str(kind)


class PianorollConfig(Config):
    """A piano-roll training: networks, neuron, strategy and the game's rules."""

    network: Annotated[
        Annotated[NetworkConfig, Tag("musegan")] | Annotated[ComposerConfig, Tag("composer")], Discriminator(_kind)
    ] = NetworkConfig()
    """The networks: BinaryMuseGAN's (`kind: musegan`), or our own (`kind: composer`)."""
    neuron: Literal["dbn", "sbn", "real"] = "dbn"
    """Output neuron; `real` stays real-valued and is binarized after training."""
    estimator: EstimatorName = "sigmoid-adjusted"
    """Gradient estimator behind the neuron."""
    strategy: Literal["end-to-end", "two-stage", "joint"] = "end-to-end"
    """`end-to-end`: everything at once, from the start (a first stage too, with `refiner: 0` and `neuron: real`).
    The others are second stages, which begin with a first stage's G and D: `two-stage` trains the refiner alone,
    `joint` the refiner and G."""
    encoding: Encoding | None = None
    """Encoding of the rolls, `onset` or `pause`; by default the corpus's own."""
    transpose: tuple[Annotated[int, Field(ge=-64, le=0)], Annotated[int, Field(ge=0, le=64)]] = (0, 0)
    """Phrases are transposed at random by so many semitones, within each track's range."""
    rolls: RollShape | None = None
    """What the corpus must hold; by default whatever it does. A run's config says what it was."""
    score_every: Annotated[int, Field(ge=0)] = 200
    """Samples are scored, and some kept, every so many G updates (`scores.jsonl`, `samples/`); 0: never."""
    training: GameConfig = GameConfig(batch=32)
    """The game's rules."""

    @model_validator(mode="after")
    def _consistent(self) -> PianorollConfig:
        if isinstance(self.network, ComposerConfig):
            if self.strategy != "end-to-end":
                raise ValueError(f"a composer learns end-to-end; it has no strategy {self.strategy}")
        else:
            self._check_musegan(self.network)
        if self.rolls and self.encoding not in (None, self.rolls.encoding):
            raise ValueError(f"encoding {self.encoding} is not that of rolls, {self.rolls.encoding}")
        return self

    def _check_musegan(self, network: NetworkConfig) -> None:
        if self.strategy != "end-to-end" and not network.refiner:
            raise ValueError(f"a {self.strategy} training needs a refiner: network.refiner is 0")
        if network.norm == "batch" and self.training.batch // self.training.accumulate < 2:
            raise ValueError("batch norm needs at least two samples at a time: training.batch / training.accumulate")
        if self.training.imitation:
            raise ValueError(
                "BinaryMuseGAN's generator has nothing to imitate by: training.imitation is for a composer"
            )
