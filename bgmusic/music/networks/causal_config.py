"""Config of the causal composer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bgmusic.training.loop_config import Decay, Share
from bgmusic.yaml import Config

MAX_DRAFTS = 256


class CausalConfig(Config):
    """Our own networks: a generator in which every decision sees all decisions before it."""

    kind: Literal["causal"] = "causal"
    """`causal`."""
    width: Annotated[int, Field(ge=8, le=4096)] = 160
    """Channels of a step in G."""
    layers: Annotated[int, Field(ge=1, le=64)] = 3
    """Layers of the transformer over the steps so far."""
    encoder_layers: Annotated[int, Field(ge=1, le=64)] = 2
    """Layers of the transformer over the beats that are known."""
    heads: Annotated[int, Field(ge=1, le=64)] = 5
    """Attention heads of a layer."""
    hidden: Annotated[int, Field(ge=8, le=16_384)] = 384
    """Channels of a track's hidden layers."""
    bars_ago: Annotated[int, Field(ge=0, le=8)] = 2
    """Of how many bars before the same place is seen directly, beside what attention finds."""
    returns: Annotated[int, Field(ge=0, le=8)] = 0
    """From how many bars before a beat, or its rhythm, may be played again by one decision, as in loops."""
    doubles: bool = False
    """Whether a track may double the lowest line of an earlier one in a beat by one decision, as a bass does a riff."""
    registers: bool = False  # as in older runs, whose configs do not say it; presets do
    """Whether the registers of tracks are learnt: by how much phrases are transposed is shown, and critics hear it."""
    dropout: Decay = 0.3
    """Share of channels that are dropped in training."""
    history: Share = 0.15
    """Mean share of the earlier units of each track that are hidden in training, so that others are heeded."""
    other_keys: Share = 0.6
    """Share of the phrases that are shown in another key than C in training, with the distance to it."""
    chords: Annotated[int, Field(ge=1, le=32)] = 8
    """Most notes that a track starts in a step."""
    nucleus: Share = 1.0
    """Notes are chosen among the most likely ones that together have this probability."""
    obedience: Annotated[float, Field(ge=0, le=100)] = 1.5
    """How much more planned chords weigh on beats than the network has learnt; voice leading suffers from more."""
    wrong_bass: Annotated[float, Field(ge=0, le=100)] = 1.5
    """Nats that a draft loses at each change of chord where its lowest note is not the planned bass, so that others are
    chosen; critics do not learn with it."""
    wrong_activity: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Nats that a draft loses for each level of activity that a track's bar is from the plan; critics do not learn with
    it."""
    parallels: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Nats that a draft loses each time two tracks move in parallel octaves or fifths, so that others are chosen;
    critics do not learn with it."""
    blank: Share = 0.5
    """Share of the phrases of which nothing is given in imitation."""
    unplanned: Share = 0.35
    """Share of the phrases of whose plan nothing is known in training."""
    known_only: bool = False
    """Whether something is known of all training phrases: where nothing would be, one track is given. The critic of
    phrases of which nothing is known then stays as it is."""
    given_tracks: Share = 0.5
    """Share of the phrases of which something is given in which whole tracks are, as in accompanying."""
    given_one: Share = 0.0
    """Share of these in which one whole track is given, and nothing else."""
    one_part: Share = 0.0
    """Share of the partly known plans of which one whole part alone is known, in half of them the chords."""

    drafts: Annotated[int, Field(ge=1, le=MAX_DRAFTS)] = 16
    """Drafts of a phrase of which the critic decides which go on; with strategy `two-stage`."""
    blank_drafts: Annotated[int, Field(ge=1, le=MAX_DRAFTS)] = 8
    """As many, if fewer, for a phrase of which nothing is known: it needs less search."""
    sketches: Annotated[int, Field(ge=0, le=16)] = 1
    """How often an accompaniment is composed in advance, so that it is composed under the chords of the last sketch."""
    recall: Annotated[int, Field(ge=0, le=4)] = 0
    """How many phrases before the same place is recalled where a piece is longer than a phrase."""
    rates: bool = False  # as in older runs, whose configs do not say it
    """Whether drafts are also chosen by what is counted in them: pitch classes, notes, what is held, what returns."""
    learns: Literal["critics", "recall", "rates"] = "critics"
    """What a second stage trains: the critics, what earlier phrases add to decisions, or weights of what is counted."""
    contrast: Literal["drafts", "composed"] = "drafts"
    """What the critics learn to tell from real phrases: first drafts, or what is composed under the critics."""
    critic_channels: Annotated[int, Field(ge=8, le=1024)] = 64
    """Channels of a step in the critic."""
    critic_dropout: Decay = 0.4
    """Share of channels that are dropped in the critic's training."""

    @property
    def costs(self) -> tuple[float, float, float]:
        """What drafts lose: :attr:`wrong_bass`, :attr:`wrong_activity`, :attr:`parallels`."""
        return self.wrong_bass, self.wrong_activity, self.parallels

    def bars_recalled(self, bars: int) -> int:
        """Return how many bars before phrases of ``bars`` bars are learnt from."""
        return self.recall * bars if self.learns == "recall" else 0

    @model_validator(mode="before")
    @classmethod
    def _drop_what_was(cls, values: Any) -> Any:
        """Ignore a setting that runs of November 2026 have; ``wrong_bass`` replaces it."""
        return {k: v for k, v in values.items() if k != "bass_obedience"} if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _check_heads(self) -> CausalConfig:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is no multiple of twice the number of heads, {2 * self.heads}")
        if self.learns == "recall" and not self.recall:
            raise ValueError("learns: recall needs a number of earlier phrases, recall: 1 or more")
        if self.learns == "rates" and not self.rates:
            raise ValueError("learns: rates needs rates: true")
        return self
