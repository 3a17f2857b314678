"""Compose a plan of binary decisions.

Binary neurons decide on bits, and the largest of several logits on chords. Products of bits make them a plan: a chord
holds until a neuron changes it, activity grows level
by level, a bar repeats the first bar for which a neuron says so. So a change of chord is one decision, and not twelve
that happen to agree from beat to beat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.planner.layout import PlanBits
from bgmusic.music.plans.chord_kinds import COSTS
from bgmusic.music.plans.harmony import vocabulary
from bgmusic.music.plans.shape import CLASSES

Decide = Callable[[Tensor], Tensor]
"""Map logits to bits: a binary neuron."""
GATES = 2
"""Gates of a beat: a new chord, and a new bass under the same chord."""


@dataclass(frozen=True)
class Logits:
    """Logits of the decisions on a batch of plans.

    Attributes:
        bits: of the bits; those of chords are not used.
        chords: of chords ``(batch, beats, chords + 1)``, in the order of :func:`templates`.
        gates: ``(batch, beats, 2)``: a new chord, a new bass.

    """

    bits: PlanBits
    chords: Tensor
    gates: Tensor


@cache
def templates() -> Tensor:
    """Return the pitch classes of each chord that a planner knows, the last one silent: float ``(chords + 1, 12)``."""
    with torch.device("cpu"):
        classes = torch.from_numpy(vocabulary()[0]).float()
        return torch.cat([classes, torch.zeros(1, CLASSES)])


CHORDS = len(COSTS)
"""Kinds of chords that a planner chooses from."""


def choose(logits: Tensor) -> Tensor:
    """Choose a chord by logits ``(..., chords + 1)``: its pitch classes ``(..., 12)``, with the softmax's gradient."""
    return _one(logits) @ templates().to(logits)


def _one(logits: Tensor) -> Tensor:
    """Return one-hot vectors of the largest logits, which backpropagate as the softmax (straight-through)."""
    soft = logits.float().softmax(-1)
    hard = F.one_hot(logits.argmax(-1), logits.shape[-1]).to(soft.dtype)
    return (hard + (soft - soft.detach())).to(logits.dtype)


def compose(
    logits: PlanBits, chords: Tensor, gates: Tensor, known: PlanBits, sure: PlanBits, decide: Decide
) -> PlanBits:
    """Return plans that agree with what is known.

    Args:
        logits: of all bits but those of chords.
        chords: logits of chords ``(batch, beats, chords + 1)``, in the order of :func:`templates`.
        gates: logits ``(batch, beats, 2)``: a new chord, a new bass.
        known: known bits; zeros elsewhere.
        sure: ones for known bits, else zeros.
        decide: the neuron.

    """
    chord, bass = _harmony(choose(chords), logits.bass, decide(gates), known, sure)
    instruments = torch.where(sure.instruments > 0, known.instruments, decide(logits.instruments))
    activity = torch.where(
        sure.activity > 0, known.activity, levels(decide(logits.activity)) * instruments.unsqueeze(-1)
    )
    form = torch.where(sure.form > 0, known.form, first_repeated(decide(logits.form)))
    return PlanBits(chord, bass, instruments, activity, form)


def _harmony(new: Tensor, bass_logits: Tensor, gates: Tensor, known: PlanBits, sure: PlanBits) -> tuple[Tensor, Tensor]:
    chords: list[Tensor] = []
    basses: list[Tensor] = []
    for beat in range(new.shape[1]):
        chord = new[:, beat]
        if beat:
            change = gates[:, beat, :1]
            chord = change * chord + (1 - change) * chords[-1]
        chord = torch.where(sure.chord[:, beat] > 0, known.chord[:, beat], chord)
        bass = lowest(bass_logits[:, beat], chord)
        if beat:
            moves = 1 - (1 - gates[:, beat, 1:]) * (1 - gates[:, beat, :1])
            # The bass before can stay only if the chord has it.
            stays = (1 - moves) * (basses[-1] * chord).amax(1, keepdim=True).detach()
            bass = stays * basses[-1] + (1 - stays) * bass
        bass = torch.where(sure.bass[:, beat] > 0, known.bass[:, beat], bass)
        chords.append(chord)
        basses.append(bass)
    return torch.stack(chords, 1), torch.stack(basses, 1)


def lowest(logits: Tensor, chord: Tensor) -> Tensor:
    """Choose the bass of each chord: one of its classes, none without a chord.

    Backpropagates through the softmax of the logits, as a straight-through estimator does for one bit.

    Args:
        logits: ``(..., 12)``.
        chord: zeros and ones ``(..., 12)``.

    """
    inside = _one(logits.float().masked_fill(chord <= 0, -1e4))
    return (inside * (chord.amax(-1, keepdim=True) > 0)).to(logits.dtype)


def levels(bits: Tensor) -> Tensor:
    """Make bits ``(..., levels)`` unary: a level is on only with all below it."""
    on = [bits[..., 0]]
    for level in range(1, bits.shape[-1]):
        on.append(on[-1] * bits[..., level])
    return torch.stack(on, -1)


def first_repeated(bits: Tensor) -> Tensor:
    """Make bits ``(..., bars, bars)`` a form: a bar repeats the first earlier bar whose bit is on, or else itself."""
    bars = bits.shape[-1]
    rows = []
    for bar in range(bars):
        free = torch.ones_like(bits[..., bar, 0])
        row = []
        for earlier in range(bar):
            row.append(free * bits[..., bar, earlier])
            free = free * (1 - bits[..., bar, earlier])
        row.append(free)
        rows.append(torch.stack(row + [torch.zeros_like(free)] * (bars - bar - 1), -1))
    return torch.stack(rows, -2)
