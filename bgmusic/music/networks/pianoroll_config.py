"""Configs of piano-roll trainings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from bgmusic.gan.game_config import GameConfig
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.rolls.encodings import Encoding
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.loop_config import AverageConfig, EstimatorName, ImitationConfig, OptimizerConfig, Share
from bgmusic.yaml import Config

Width = Annotated[int, Field(ge=1, le=16_384)]


class MuseGANConfig(Config):
    """BinaryMuseGAN's networks (arXiv 1804.09399); their sizes follow from the rolls."""

    kind: Literal["musegan"] = "musegan"
    """`musegan`."""
    latent: Width = 128
    """Numbers of noise of a phrase, each N(0, 1)."""
    first: Width = 512
    """Channels of G's first layer (256 in the paper's small form)."""
    width: Annotated[float, Field(gt=0, le=8, allow_inf_nan=False)] = 1.0
    """Channels of all layers, as a multiple of the paper's."""
    refiner: Annotated[int, Field(ge=0, le=8)] = 2
    """Residual units of the refiner; 0: no refiner, the neuron thresholds G's own output."""
    discriminator: Literal["full", "ablated-1", "ablated-2"] = "full"
    """`full`; `ablated-1` has no onset and chroma streams; `ablated-2` is one network that all tracks share."""
    norm: Literal["batch", "scale"] = "batch"
    """In G and its refiner: batch norm, or its learned scale and offset alone (as the original code runs)."""


class ComposerConfig(Config):
    """Our own networks: a generator that drafts and revises, and a discriminator over beats and pitches."""

    kind: Literal["composer"] = "composer"
    """`composer`."""
    channels: Width = 96
    """Channels of a cell (a beat and a pitch) in G."""
    layers: Annotated[int, Field(ge=1, le=64)] = 6
    """Layers of G, each mixing over beats and pitches."""
    expansion: Annotated[int, Field(ge=1, le=8)] = 2
    """Hidden channels of a layer, as a multiple of `channels`."""
    stages: Annotated[int, Field(ge=1, le=1024)] = 48
    """Number of stages: a draft, then revisions."""
    falling: Share = 0.5
    """Share of the stages over which the revised share of a phrase falls."""
    least: Share = 0.03
    """Share of a phrase that the last stages revise."""
    lesson: Share = 0.3
    """While G learns from D: share of a phrase that the last stage decides, through which gradients flow."""
    rests: bool = True
    """Decide whether a track rests before deciding on its notes."""
    chords: Annotated[int, Field(ge=0, le=32)] = 8
    """Decide how many notes a track plays before deciding which; larger numbers than this count as one. 0: only the
    expected number is known."""
    form: bool = True
    """Decide first of all which bars of a track are repeated."""
    hidden: Literal["any", "tracks"] = "any"
    """Units that are hidden from G while it imitates: `any` kind; `tracks`: whole tracks, to learn to accompany the
    others (MuseGAN's conditional generator)."""
    judge_channels: Width = 32
    """Channels of a cell in D."""
    judge_layers: Annotated[int, Field(ge=1, le=64)] = 3
    """Layers of D."""

    @model_validator(mode="after")
    def _check_chords(self) -> ComposerConfig:
        if self.chords and not self.rests:
            raise ValueError(f"network.chords={self.chords} needs network.rests=true; set network.chords=0")
        return self


class LinesConfig(Config):
    """A GAN of lines: each pitched track is a number of lines; all decide at once when they move, rest or hold."""

    kind: Literal["lines"] = "lines"
    """`lines`."""
    latent: Width = 128
    """Numbers of noise of a phrase, each N(0, 1)."""
    channels: Width = 256
    """Channels of a bar, beat or step in G."""
    layers: Annotated[int, Field(ge=1, le=64)] = 3
    """Layers of G over bars, over beats and over steps."""
    lines: Annotated[int, Field(ge=1, le=16)] = 1
    """Lines of each pitched track: the most notes that it plays at once."""
    judge_channels: Width = 96
    """Channels of a step in D; a beat has twice as many."""


class ComposedConfig(Config):
    """Phrases that the composer of ``--start`` makes, learnt beside real ones."""

    phrases: Annotated[int, Field(ge=1, le=1_000_000)] = 12_000
    """Number of composed phrases."""
    share: Share = 0.75
    """Share of the phrases of an update that are composed ones."""


DEFAULT_TRAINING = GameConfig(
    steps=3000,
    batch=16,
    precision="auto",
    imitation=ImitationConfig(weight=1.0, alone=1.0),
    average=AverageConfig(horizon=500, ramp=0.1),
    g_optimizer=OptimizerConfig(
        rate=1e-3,
        betas=(0.9, 0.98),
        decay=0.05,
        rise=100,
        longest=1.0,
        schedule="linear",
        decay_from=0.1,
        final=0.02,
    ),
)
"""The composer's training, as in the preset `default`."""


_GAMES = ("musegan", "lines")


def _kind(value: Any) -> str:
    kind = value.get("kind", "causal") if isinstance(value, Mapping) else getattr(value, "kind", "causal")
    return str(kind)


class PianorollConfig(Config):
    """A piano-roll training: networks, neuron, strategy and the rules of the game.

    ``PianorollConfig()`` is the preset `default`.
    """

    network: Annotated[
        Annotated[MuseGANConfig, Tag("musegan")]
        | Annotated[ComposerConfig, Tag("composer")]
        | Annotated[LinesConfig, Tag("lines")]
        | Annotated[CausalConfig, Tag("causal")],
        Discriminator(_kind),
    ] = CausalConfig(registers=True)
    """The networks: our own (`kind: causal`, `kind: composer`, `kind: lines`), or BinaryMuseGAN's (`kind: musegan`)."""
    neuron: Literal["dbn", "sbn", "real"] = "sbn"
    """Output neuron; `real` stays real-valued and is binarized after training."""
    estimator: EstimatorName = "sigmoid-adjusted"
    """Gradient estimator of the neuron."""
    strategy: Literal["end-to-end", "two-stage", "joint"] = "end-to-end"
    """`end-to-end`: everything at once, from the start (a first stage too, with `refiner: 0` and `neuron: real`).
    The others are second stages, which begin with a first stage's G and D: `two-stage` trains the refiner alone,
    `joint` the refiner and G."""
    encoding: Encoding | None = None
    """Encoding of the rolls, `onset` or `pause`; by default the corpus's own."""
    transpose: tuple[Annotated[int, Field(ge=-64, le=0)], Annotated[int, Field(ge=0, le=64)]] = (0, 0)
    """Lowest and highest random transposition of phrases in semitones, within each track's range."""
    rolls: RollShape | None = None
    """Required shape of the corpus's phrases; by default any. A run's config holds the shape it was trained on."""
    score_every: Annotated[int, Field(ge=0)] = 1000
    """G updates between two scores of samples (`scores.jsonl`, `samples/`); 0: never."""
    score_share: Annotated[float, Field(gt=0, le=10)] | None = 0.1
    """Most time for scores, as a share of the training's other time: what costs more is left out. null: no limit."""
    composed: ComposedConfig | None = None
    """Learn from what a composer with critics made, too; null: from real phrases alone."""
    training: GameConfig = DEFAULT_TRAINING
    """The rules of the game."""

    @model_validator(mode="before")
    @classmethod
    def _default_of_games(cls, values: Any) -> Any:
        """Play a plain game by default with networks that have no imitation loss."""
        if isinstance(values, Mapping) and "training" not in values and _kind(values.get("network", {})) in _GAMES:
            return {**values, "training": GameConfig(batch=32)}
        return values

    @model_validator(mode="after")
    def _check(self) -> PianorollConfig:
        if isinstance(self.network, CausalConfig):
            if self.strategy == "joint":
                raise ValueError("strategy joint is for network.kind=musegan; a causal composer's critic is two-stage")
        elif isinstance(self.network, MuseGANConfig):
            self._check_musegan(self.network)
        elif self.strategy != "end-to-end":
            kind = self.network.kind
            raise ValueError(f"strategy {self.strategy} is for network.kind=musegan; {kind} trains end-to-end")
        if isinstance(self.network, MuseGANConfig | LinesConfig) and self.training.imitation:
            raise ValueError(f"network.kind={self.network.kind} has no imitation loss: set training.imitation to null")
        if isinstance(self.network, LinesConfig) and self.neuron == "real":
            raise ValueError("network.kind=lines holds notes by decisions: neuron is dbn or sbn")
        if self.composed and not (isinstance(self.network, CausalConfig) and self.strategy == "end-to-end"):
            raise ValueError("composed is for drafts: network.kind=causal, strategy=end-to-end")
        if self.rolls and self.encoding not in (None, self.rolls.encoding):
            raise ValueError(f"encoding {self.encoding} differs from that of rolls, {self.rolls.encoding}")
        return self

    def _check_musegan(self, network: MuseGANConfig) -> None:
        if self.strategy != "end-to-end" and not network.refiner:
            raise ValueError(f"strategy {self.strategy} needs a refiner, but network.refiner is 0")
        if network.norm == "batch" and self.training.batch // self.training.accumulate < 2:
            raise ValueError("batch norm needs at least two samples at a time: training.batch / training.accumulate")
