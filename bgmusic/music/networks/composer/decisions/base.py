"""The interface of a composer's decisions, and the values that pass from one to the next."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.composer.decisions.form import Form
from bgmusic.music.networks.composer.draft import Draft
from bgmusic.neurons import SBN, BinaryNeuron

IMPOSSIBLE = -40.0  # logit of an outcome that is ruled out; finite, so that its gradient is too
_LARGEST = 1 - 1e-3  # probability of a note; its logit, and the loss of a mistake, stay finite


@dataclass(frozen=True)
class Tracks:
    """What a composer knows about each track.

    Attributes:
        drums: whether it is drums, boolean ``(tracks,)``.
        most: the most notes that it played at once in training data, int64 ``(tracks,)``.
        playable: pitches within its range, boolean ``(tracks, pitches)``, or ``(batch, tracks, steps, pitches)``.

    """

    drums: Tensor
    most: Tensor
    playable: Tensor


@dataclass(frozen=True)
class Choices:
    """The decisions of one stage, made one after the other.

    Attributes:
        draft: the phrase before the stage (``decide``), a real phrase (``observe``), or the phrase after it (``odds``).
        tracks: facts about the tracks.
        opened: steps that are decided on, boolean ``(batch, tracks, steps)``; the others keep the draft's notes.
        form: bars that are repeated, or None.
        values: results of the decisions so far, by name. ``sounds``, ``moves`` and ``counts`` (a number of notes) are
            ``(batch, tracks, steps)``; ``cells`` and ``onsets`` have pitches as a fourth axis. They are zeros and
            ones; in ``odds``, probabilities.

    """

    draft: Draft
    tracks: Tracks
    opened: Tensor
    form: Form | None = None
    values: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        """Return a result."""
        return self.values[name]

    def get(self, name: str) -> Tensor | None:
        """Return a result, or None if the composer makes no such decision."""
        return self.values.get(name)

    def add(self, **values: Tensor) -> Choices:
        """Return the choices with further (or replaced) results."""
        return replace(self, values={**self.values, **values})


class Decision(ABC):
    """One kind of decision; see :mod:`bgmusic.music.networks.composer.decisions`.

    Attributes:
        name: key of its logits and of its noise.
        noise: whether each step has a uniform number of its own, or all steps of a track share one in each stage.
        step_outputs: network outputs that it needs at each step of a track.
        cell_outputs: network outputs that it needs at each step and pitch of a track.

    """

    name: ClassVar[str]
    noise: ClassVar[Literal["step", "track"]] = "step"
    step_outputs: int = 0
    cell_outputs: int = 0

    @abstractmethod
    def logits(self, steps: Tensor, cells: Tensor, tracks: Tracks) -> Tensor:
        """Turn the network's outputs into logits.

        Args:
            steps: float32 ``(step_outputs, batch, tracks, steps)``.
            cells: float32 ``(cell_outputs, batch, tracks, steps, pitches)``.
            tracks: facts about the tracks.

        """

    @abstractmethod
    def decide(self, logits: Tensor, made: Choices, noise: Tensor, neuron: BinaryNeuron) -> Choices:
        """Add the decision, made by a binary neuron.

        Args:
            logits: of this decision.
            made: earlier decisions of the stage.
            noise: the neuron's thresholds, uniform in [0, 1), ``(batch, tracks, steps)`` or ``(batch, tracks, 1)``.
            neuron: turns logits and thresholds into zeros and ones.

        """

    @abstractmethod
    def observe(self, real: Choices) -> Choices:
        """Add the decision that a real phrase shows."""

    @abstractmethod
    def loss(self, logits: Tensor, real: Choices) -> Tensor:
        """Return the cross-entropy of the decision that a real phrase shows, in nats: ``(batch, tracks, steps)``."""

    @abstractmethod
    def odds(self, logits: Tensor, odds: Choices, neuron: BinaryNeuron) -> Choices:
        """Add the decision's probabilities; ``odds.draft`` is the phrase that was decided on."""


def fire(neuron: BinaryNeuron, logits: Tensor, thresholds: Tensor) -> Tensor:
    """Return the neuron's output; a stochastic one compares with the thresholds, broadcast to the logits' shape."""
    given = {"thresholds": thresholds.expand_as(logits)} if isinstance(neuron, SBN) else {}
    decided: Tensor = neuron(logits, **given)
    return decided


def cross_entropy(logits: Tensor, bits: Tensor) -> Tensor:
    """Return the cross-entropy of each bit, in nats."""
    return F.binary_cross_entropy_with_logits(logits, bits, reduction="none")


def logit_of(log_probability: Tensor) -> Tensor:
    """Return the logit of probabilities given by their logarithms, limited to 0.999."""
    log_probability = log_probability.clamp(max=math.log(_LARGEST))
    return log_probability - torch.log1p(-log_probability.exp())


def previous(steps: Tensor) -> Tensor:
    """Shift ``(batch, tracks, steps)`` by one step: each step holds the value of the one before; the first holds 0."""
    return F.pad(steps, (1, 0))[:, :, :-1]
