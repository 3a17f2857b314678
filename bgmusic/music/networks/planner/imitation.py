"""Learn plans by imitation, and decide on them in several passes.

The decisions are those of the game's generator: where the harmony changes, then a chord for each stretch in which it
does not. What is decided before is seen by what is decided after.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.planner.decisions import Logits, choose, first_repeated, levels, lowest, templates
from bgmusic.music.networks.planner.layout import PlanBits, PlanLayout

_BASS = 2 / 3  # share of the passes after which basses are decided


class Predictor(Protocol):
    """A network that predicts hidden bits."""

    layout: PlanLayout
    place_of_bit: Tensor

    def logits(
        self, bits: Tensor, sure: Tensor, noise: Tensor, gates: Tensor | None = None, gates_sure: Tensor | None = None
    ) -> Logits:
        """Return the logits of all decisions."""
        ...


def changes(parts: PlanBits) -> Tensor:
    """Return the gates of plans, zeros and ones ``(batch, beats, 2)``: a new chord; a new bass under the same chord."""
    chord = (parts.chord[:, 1:] != parts.chord[:, :-1]).any(-1)
    bass = (parts.bass[:, 1:] != parts.bass[:, :-1]).any(-1) & ~chord
    gates = torch.stack([chord, bass], -1).to(parts.chord.dtype)
    return F.pad(gates, (0, 0, 1, 0), value=1.0)


def stretches(gates: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first beat of the chord, and of the bass, of each beat: two int64 ``(batch, beats)``."""
    beats = torch.arange(gates.shape[1], device=gates.device)
    chord = gates[..., 0] > 0
    moves = chord | (gates[..., 1] > 0)
    first_chord, first_bass = (torch.where(new, beats, 0).cummax(1).values for new in (chord, moves))
    return first_chord, first_bass


def imitation_loss(network: Predictor, bits: Tensor, given: Tensor, generator: torch.Generator | None) -> Tensor:
    """Compute the cross-entropy of hidden bits, in nats a decision.

    Half of the plans show some gates and no further chords; the others show all gates and some classes of the chords.

    Args:
        network: the network.
        bits: real bits ``(batch, bits)``.
        given: ones for bits that are given.
        generator: source of the draws, on the CPU.

    """
    layout, device = network.layout, bits.device
    parts = layout.split(bits)
    gates = changes(parts)
    order = _Order(layout, torch.rand(bits.shape, generator=generator).to(device), network.place_of_bit)
    share, stage = (torch.rand(len(bits), 1, generator=generator).to(device) for _ in range(2))
    later = stage < 0.5
    shown = torch.where(order.is_harmony, (order.of_harmony(gates) < share) & later, order.plain < share)
    sure = torch.maximum(given, shown.float())
    gate_draws = torch.rand(gates.shape, generator=generator).to(device)
    gates_sure = ((gate_draws < share.unsqueeze(2)) | later.unsqueeze(2)).float()
    all_logits = network.logits(bits * sure, sure, bits.new_zeros(len(bits), 0), gates, gates_sure)
    logits = all_logits.bits
    hidden = layout.split(1 - sure)
    asked_gates = (1 - gates_sure) * torch.stack([torch.ones_like(gates[..., 0]), 1 - gates[..., 0]], -1)
    asked_gates[:, 0] = 0
    # A chord is decided on once, at the first beat of its stretch.
    chords = later.float() * gates[..., 0] * hidden.chord[..., 0]
    basses = later.float() * gates.amax(-1) * hidden.bass[..., 0]
    right = (parts.chord.unsqueeze(2) == templates().to(bits)).all(-1)
    of_right = all_logits.chords.float().masked_fill(~right, -1e4).logsumexp(-1)
    chord_loss = (all_logits.chords.float().logsumexp(-1) - of_right) * right.any(-1)
    bass_loss = -(logits.bass.float().log_softmax(-1) * parts.bass).sum(-1)
    terms = [
        (_entropy(all_logits.gates, gates), asked_gates),
        (chord_loss, chords),
        (bass_loss, parts.bass.amax(-1) * basses),
        (_entropy(logits.instruments, parts.instruments), hidden.instruments),
        (_entropy(logits.activity, parts.activity), hidden.activity * _asked_levels(parts.activity)),
        (_entropy(logits.form, parts.form), hidden.form * _asked_form(parts.form)),
    ]
    total: Tensor = torch.stack([(loss * asked).sum() for loss, asked in terms]).sum()
    count: Tensor = torch.stack([asked.sum() for _, asked in terms]).sum()
    return total / count.clamp(min=1)


@torch.no_grad()
def decide_in_passes(network: Predictor, bits: Tensor, sure: Tensor, noise: Tensor, passes: int) -> Tensor:
    """Complete plans in several passes: a third for gates and all but harmony, the rest for chords and basses.

    Args:
        network: the network.
        bits: known bits ``(batch, bits)``, zeros elsewhere.
        sure: ones for known bits.
        noise: ``(batch, n)``, at least four numbers; they seed the draws of each plan.
        passes: number of passes, 2 or more.

    """
    layout, silence = network.layout, noise.new_zeros(len(noise), 0)
    draws, given, known = _Draws(noise), layout.split(sure), layout.split(bits)
    order = _Order(layout, draws.uniform(layout.bits), network.place_of_bit)
    both = given.bass[:, 1:, 0] * given.bass[:, :-1, 0]
    gates_sure = F.pad(torch.stack([both, both], -1), (0, 0, 1, 0), value=1.0)
    gates = changes(known) * gates_sure
    gate_order = draws.like(gates)
    early = max(1, passes // 3)
    for turn in range(early):
        found = network.logits(bits, sure, silence, gates, gates_sure)
        logits = found.bits
        now = (gate_order < (turn + 1) / early) & (gates_sure == 0)
        gates = torch.where(now, draws.bits(found.gates), gates)
        gates_sure = torch.where(now, 1.0, gates_sure)
        activity, form = levels(draws.bits(logits.activity)), first_repeated(draws.bits(logits.form))
        decided = PlanBits(known.chord, known.bass, draws.bits(logits.instruments), activity, form).vector()
        places = (order.plain < (turn + 1) / early) & (sure == 0) & ~order.is_harmony
        bits, sure = torch.where(places, decided, bits), torch.where(places, 1.0, sure)
    turns, (first_chord, first_bass) = order.of_harmony(gates), stretches(gates)
    late = max(1, passes - early)
    for turn in range(late):
        found = network.logits(bits, sure, silence, gates, gates_sure)
        parts = layout.split(bits)
        chord = _spread(choose(found.chords.float() + draws.gumbel(found.chords)).to(bits.dtype), first_chord)
        chord = torch.where(layout.split(sure).chord > 0, parts.chord, chord)
        bass = found.bits.bass.float() + draws.gumbel(found.bits.bass)
        bass = lowest(_spread(bass, first_bass), chord).to(bits.dtype)
        decided = PlanBits(chord, bass, parts.instruments, parts.activity, parts.form).vector()
        now = (turns < (turn + 1) / late) & (sure == 0)
        bits, sure = torch.where(now, decided, bits), torch.where(now, 1.0, sure)
    parts = layout.split(bits)
    inside = (parts.bass * parts.chord).amax(-1, keepdim=True)
    bass = torch.where(inside + given.bass > 0, parts.bass, lowest(parts.bass, parts.chord))
    playing = torch.maximum(parts.instruments.unsqueeze(-1), given.activity)
    return PlanBits(parts.chord, bass, parts.instruments, parts.activity * playing, parts.form).vector()


class _Order:
    """The order of decisions: uniform numbers, one for the bits that are decided together."""

    def __init__(self, layout: PlanLayout, uniform: Tensor, place_of_bit: Tensor) -> None:
        self._layout, self._uniform = layout, uniform
        self.plain = uniform[:, torch.searchsorted(place_of_bit, place_of_bit)]
        self.is_harmony = torch.arange(layout.bits, device=uniform.device) < layout.sizes["harmony"]

    def of_harmony(self, gates: Tensor) -> Tensor:
        """Return numbers ``(batch, bits)``: one for the chord of each stretch; basses come last."""
        parts = self._layout.split(self._uniform)
        first_chord, first_bass = stretches(gates)
        chord = _BASS * _spread(parts.chord[..., :1].expand_as(parts.chord), first_chord)
        bass = _BASS + (1 - _BASS) * _spread(parts.bass[..., :1].expand_as(parts.bass), first_bass)
        return PlanBits(chord, bass, parts.instruments, parts.activity, parts.form).vector()


class _Draws:
    """Uniform numbers of each sample, seeded by its own noise: the same in any batch."""

    def __init__(self, noise: Tensor) -> None:
        seeds = (noise[:, :4].double().cpu() * 2**20).long()
        self._streams = [torch.Generator().manual_seed(_mix(row.tolist())) for row in seeds]
        self._device, self._dtype = noise.device, noise.dtype

    def uniform(self, size: int) -> Tensor:
        """Return ``(batch, size)``."""
        rows = [torch.rand(size, generator=stream) for stream in self._streams]
        return torch.stack(rows).to(self._device, self._dtype)

    def like(self, values: Tensor) -> Tensor:
        """Return numbers of the shape of values."""
        return self.uniform(values[0].numel()).view(values.shape)

    def gumbel(self, values: Tensor) -> Tensor:
        """Return Gumbel noise of the shape of values: the largest of logits and noise is drawn by their softmax."""
        return -(-self.like(values).float().clamp(min=1e-9).log()).log()

    def bits(self, logits: Tensor) -> Tensor:
        """Return bits that are on with the probabilities of logits."""
        return (logits.float().sigmoid() > self.like(logits)).to(self._dtype)


def _mix(numbers: list[int]) -> int:
    """Return a seed made of integers."""
    seed = 0
    for number in numbers:
        seed = (seed * 6364136223846793005 + (number & 0xFFFFFFFF) + 1442695040888963407) & (2**63 - 1)
    return seed


def _spread(values: Tensor, first: Tensor) -> Tensor:
    """Give each beat of values ``(batch, beats, 12)`` those of the first beat of its stretch."""
    return values.gather(1, first.unsqueeze(2).expand_as(values))


def _entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), wanted.float(), reduction="none")


def _asked_levels(activity: Tensor) -> Tensor:
    """Return which levels are decided on: each after the one below it was on."""
    return torch.cat([torch.ones_like(activity[..., :1]), activity[..., :-1]], -1)


def _asked_form(form: Tensor) -> Tensor:
    """Return which pairs are decided on: a bar and each bar before it, up to the one that it repeats."""
    bars = form.shape[-1]
    return (1 - (form.cumsum(-1) - form)) * torch.ones(bars, bars, device=form.device).tril(-1)
