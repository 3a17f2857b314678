"""The planner's generator: what is known of a plan, and noise, to a whole plan."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.errors import UserError
from bgmusic.music.networks.planner.config import PlannerConfig, PlanSize
from bgmusic.music.networks.planner.decisions import CHORDS, GATES, Logits, compose
from bgmusic.music.networks.planner.imitation import decide_in_passes, imitation_loss
from bgmusic.music.networks.planner.layers import KeyedBlock, KeyedLinear, Norm
from bgmusic.music.networks.planner.layout import PlanBits, PlanLayout
from bgmusic.music.networks.planner.masks import draw_mask, numbers
from bgmusic.music.plans.shape import CLASSES
from bgmusic.neurons import NEURONS
from bgmusic.training.protocols import SampleNetwork

_MOST_BITS = 1 << 16


def layout_of(size: PlanSize | None) -> PlanLayout:
    """Return the layout of a config's plans.

    Raises:
        UserError: there is no size, or the plans are too large for a planner.

    """
    if size is None:
        raise UserError("the planner's config has no `plans`, the size of its plans")
    layout = PlanLayout(size.shape())
    if layout.bits > _MOST_BITS:
        raise UserError(f"plans of {layout.bits:,} bits are too large for a planner; at most {_MOST_BITS:,}")
    return layout


class Planner(SampleNetwork):
    """Map noise to plans; a sample is the bits of a plan and its given places, ``(batch, bits + places)``.

    In training, given places are drawn from example plans by a part of the noise; in evaluation :meth:`forward` gives
    nothing, and :meth:`plan` takes what is known.
    """

    place_of_bit: Tensor

    def __init__(self, config: PlannerConfig) -> None:
        super().__init__()
        self.layout = layout_of(config.plans)
        network = config.network
        self.imitates, self.passes = config.imitates, network.passes
        self.noise_sizes = CLASSES, network.noise
        self.latent = sum(self.noise_sizes) + (0 if self.imitates else 1 + numbers(self.layout))
        keyed = 2 * 2 * self.layout.beats + network.keyed
        plain = 2 * self.layout.free_of_key + 2 * GATES * self.layout.beats + network.noise
        # Noise says what is played in a key; the key that it is rotated to is the largest of 12 numbers.
        self.idea = nn.Linear(network.noise, network.keyed * CLASSES, bias=False)
        norm: Norm = "layer" if self.imitates else "batch"
        self.blocks = nn.ModuleList()
        for _ in range(network.layers):
            self.blocks.append(KeyedBlock(keyed, plain, network.keyed, network.plain, norm))
            keyed, plain = network.keyed, network.plain
        beats = self.layout.beats
        # Keyed: the bass and the kinds of chords on each root; plain: the rest, gates, and silence.
        self.heads = KeyedLinear(keyed, plain, (1 + CHORDS) * beats, self.layout.free_of_key + (GATES + 1) * beats)
        self.neuron = NEURONS[config.neuron](config.estimator)
        self.register_buffer("place_of_bit", self.layout.place_of_bit, persistent=False)
        self._examples: _Examples | None = None

    def give_examples(self, bits: Tensor) -> None:
        """Set the plans whose parts are given in training: boolean ``(plans, bits)``; they are not saved.

        Raises:
            ValueError: there are none, or they have another dtype or size.

        """
        if bits.dtype != torch.bool or bits.dim() != 2 or bits.shape[1] != self.layout.bits or not len(bits):
            raise ValueError(
                f"examples are boolean (plans, {self.layout.bits}), not {bits.dtype} of shape {tuple(bits.shape)}"
            )
        self._examples = _Examples(bits)

    def logits(
        self, bits: Tensor, sure: Tensor, noise: Tensor, gates: Tensor | None = None, gates_sure: Tensor | None = None
    ) -> Logits:
        """Return the logits of all decisions.

        Args:
            bits: known bits ``(batch, bits)``, zeros elsewhere.
            sure: ones for known bits.
            noise: ``(batch, 12 + noise)``: the key, and what is planned in it; ``(batch, 0)`` for none.
            gates: known gates ``(batch, beats, 2)``; none by default.
            gates_sure: ones for known gates.

        """
        signs, mask = self.layout.split((2 * bits - 1) * sure), self.layout.split(sure)
        if not noise.shape[1]:  # imitation has none
            noise = bits.new_zeros(len(bits), sum(self.noise_sizes))
        key_noise, plain_noise = noise.split(self.noise_sizes, 1)
        classes = torch.arange(CLASSES, device=noise.device)
        rotation = (classes - key_noise.argmax(1, keepdim=True)) % CLASSES
        idea = self.idea(plain_noise).unflatten(1, (-1, CLASSES))
        idea = idea.gather(2, rotation.unsqueeze(1).expand_as(idea))
        keyed = torch.cat([signs.chord, signs.bass, mask.chord, mask.bass, idea], 1)
        others = [part.flatten(1) for both in (signs, mask) for part in (both.instruments, both.activity, both.form)]
        none = noise.new_zeros(len(noise), GATES * self.layout.beats)
        told = none if gates_sure is None else gates_sure.flatten(1)
        known_gates = none if gates is None else (2 * gates.flatten(1) - 1) * told
        plain = torch.cat([*others, known_gates, told, plain_noise], 1)
        given = sure.amax(1) > 0
        for block in self.blocks:
            keyed, plain = block(keyed, plain, given)
        keyed, plain = self.heads(keyed, plain)
        beats = self.layout.beats
        bass, kinds = keyed.split([beats, CHORDS * beats], 1)
        free, gates, silence = plain.split([self.layout.free_of_key, GATES * beats, beats], 1)
        chords = torch.cat([kinds.unflatten(1, (beats, CHORDS)).flatten(2), silence.unsqueeze(2)], 2)
        rest = self.layout.split(torch.cat([free.new_zeros(len(free), self.layout.sizes["harmony"]), free], 1))
        bits_of = PlanBits(rest.chord, bass, rest.instruments, rest.activity, rest.form)
        return Logits(bits_of, chords, gates.unflatten(1, (beats, GATES)))

    def forward(
        self, noise: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Map noise ``(batch, latent)`` to samples ``(batch, bits + places)``."""
        places = noise.new_zeros(len(noise), sum(self.layout.places.values()))
        bits = noise.new_zeros(len(noise), self.layout.bits)
        own = sum(self.noise_sizes)
        if self.training and self._examples is not None and not self.imitates:
            uniform = torch.special.ndtr(noise[:, own:].float()).clamp(max=1 - 1e-6)
            examples = self._examples.bits
            bits = examples[(uniform[:, 0] * len(examples)).long().to(examples.device)].to(noise)
            places = draw_mask(self.layout, uniform[:, 1:]).to(noise.dtype)
        return torch.cat([self.plan(bits, places, noise[:, :own], generator), places], 1)

    def plan(self, bits: Tensor, places: Tensor, noise: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Complete plans.

        Args:
            bits: bits ``(batch, bits)``; those of unknown places are ignored.
            places: ones for known places ``(batch, places)``.
            noise: N(0, 1), ``(batch, 12 + noise)``; further numbers are ignored.
            generator: source of draws of stochastic neurons.

        Returns:
            Zeros and ones ``(batch, bits)``, known ones as they are.

        """
        sure = places[:, self.place_of_bit]
        bits, noise = bits * sure, noise[:, : sum(self.noise_sizes)]
        if self.imitates:
            return decide_in_passes(self, bits, sure, noise, self.passes)
        logits = self.logits(bits, sure, noise)
        known, mask = self.layout.split(bits), self.layout.split(sure)

        def neuron(values: Tensor) -> Tensor:
            decided: Tensor = self.neuron(values, generator)
            return decided

        return compose(logits.bits, logits.chords, logits.gates, known, mask, neuron).vector()

    def imitation(self, real: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Compute the cross-entropy of hidden bits, in nats a decision.

        Args:
            real: samples ``(batch, bits + places)``; their places are given.
            generator: source of the draws, on the CPU.

        """
        bits, places = real.split([self.layout.bits, real.shape[1] - self.layout.bits], 1)
        return imitation_loss(self, bits, places[:, self.place_of_bit], generator)


class _Examples:
    """Plans that copies of a network share."""

    def __init__(self, bits: Tensor) -> None:
        self.bits = bits

    def __deepcopy__(self, memo: dict[int, object]) -> _Examples:
        return self


@torch.no_grad()
def match_rates(planner: Planner, rates: Tensor) -> None:
    """Set the offsets of the heads so that untrained logits are those of the rates of bits in the data.

    Args:
        planner: an untrained planner.
        rates: float ``(bits,)``, strictly between 0 and 1; those of harmony are ignored.

    Raises:
        ValueError: the rates have another size or other values.

    """
    layout, heads = planner.layout, planner.heads
    if rates.shape != (layout.bits,) or not ((rates > 0) & (rates < 1)).all():
        raise ValueError(f"rates are {layout.bits} numbers between 0 and 1, not shape {tuple(rates.shape)}")
    if heads.to_plain is None:
        raise TypeError("the heads of a planner have plain outputs")
    heads.to_plain.bias[: layout.free_of_key].copy_(rates[layout.sizes["harmony"] :].logit())
