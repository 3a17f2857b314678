"""The composer: a generator that drafts a phrase and revises it; every note is a binary decision.

A phrase consists of *units*: what one track plays in one beat. In the first stage, stochastic neurons decide on all
units from nothing. Each later stage opens a share of the units, fewer and fewer, and decides on them again, given all
the others. One network serves every stage. It learns to fill in any units from any others, so it can also accompany:
given tracks are units that are never opened.

All random numbers are part of the noise (see :mod:`.noise`): the output is a deterministic function of it. The
function is chaotic: one changed decision changes those that depend on it, so close noise soon gives different music.

Sources: filling in masked parts, and block-wise revision with a falling share: Coconet (Huang et al., ISMIR 2017,
arXiv 1903.07227, sections 4 and 5); blocks that are redrawn together: Yao et al., arXiv 1407.1984. Binary neurons,
beats as channels, weights shared over pitches and coupled thresholds are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.networks.checks import check_inputs, check_noise, check_phrases
from bgmusic.music.networks.composer.decisions import Choices, Tracks, make_decisions
from bgmusic.music.networks.composer.decisions.form import FORMS, Form, draw_form, remember_forms
from bgmusic.music.networks.composer.draft import Draft, nothing_known, to_draft, to_phrases
from bgmusic.music.networks.composer.features import (
    Logits,
    input_channels,
    network_inputs,
    network_logits,
    playable_pitches,
    steps_of,
)
from bgmusic.music.networks.composer.limits import Limits
from bgmusic.music.networks.composer.masks import draw_open
from bgmusic.music.networks.composer.mixer import Matrices, Mixer, Pointwise
from bgmusic.music.networks.composer.noise import StageNoise, layout_of, share_of
from bgmusic.music.networks.composing_network import ComposingNetwork
from bgmusic.music.networks.pianoroll_config import ComposerConfig, PianorollConfig
from bgmusic.music.networks.plan_bits import PlanBits
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import NEURONS

_MAX_DISTANCES = 1 << 26  # numbers in a layer's matrices over beats, or pitches; 256 MiB
_MAX_NOISE = 1 << 24


@dataclass(frozen=True)
class Stage:
    """What a stage did: the units it opened ``(batch, tracks, bars * beats)``, their logits, and the new draft."""

    opened: Tensor
    logits: Logits
    draft: Draft


class Composer(ComposingNetwork):
    """Generate phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones, from noise ``(batch, latent)``.

    ``channels`` are the tracks' cells, then (onset encoding) their onsets, as :meth:`Roll.channels` stacks them.

    The phrase's form is drawn first (``network.form``): bars that are repeated are decided on as one. Then each stage
    makes the decisions of :mod:`bgmusic.music.networks.composer.decisions` in order: does the track rest, does it move
    or hold its notes, how many notes does it play, which, and which of them begin?

    Args:
        config: its ``network`` is a :class:`ComposerConfig`.
        shape: shape of the phrases.

    Raises:
        TypeError: the config is one of another network.
        UserError: the config or the shape would need far too much memory.

    """

    drums: Tensor
    most: Tensor
    forms: Tensor
    seen: Tensor

    def __init__(self, config: PianorollConfig, shape: RollShape) -> None:
        super().__init__()
        settings = config.network
        if not isinstance(settings, ComposerConfig):
            raise TypeError("a composer needs a ComposerConfig")
        self.shape, self.settings = shape, settings
        tracks, beats = len(shape.track_set), shape.bars * shape.beats
        if settings.channels * max(beats, shape.pitches) ** 2 > _MAX_DISTANCES:
            raise UserError(f"{beats} beats are too many for a composer of {settings.channels} channels")
        self.decisions = make_decisions(settings, shape)
        self.noise = layout_of(self.decisions, settings, shape)
        self.latent = self.noise.size
        if self.latent > _MAX_NOISE:
            raise UserError(f"{self.latent:,} numbers of noise for a phrase are too many; at most {_MAX_NOISE:,}")
        self.register_buffer("drums", torch.tensor(shape.drums))
        # The most notes that each track played at once in training data: a voice that sings one never sings two.
        self.register_buffer("most", torch.ones(tracks, dtype=torch.int64))
        if settings.form:  # before any phrase was seen, each bar is new
            self.register_buffer("forms", torch.arange(shape.bars).repeat(FORMS, tracks, 1))
            self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        cells = sum(decision.cell_outputs for decision in self.decisions) * tracks * shape.unit
        steps = sum(decision.step_outputs for decision in self.decisions) * tracks * shape.unit
        self.mixer = Mixer(
            input_channels(shape),
            settings.channels,
            settings.layers,
            settings.expansion,
            shape.bars,
            shape.beats,
            shape.pitches,
        )
        self.notes = Pointwise(settings.channels, cells, scale=0.1)
        self.steps = Pointwise(2 * settings.channels, steps, scale=0.1)  # of the mean and the maximum over pitches
        self.neuron = NEURONS[config.neuron](config.estimator)

    def forward(
        self, noise: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Generate phrases. ``generator`` and ``thresholds`` are ignored: the noise determines them."""
        check_noise(noise, self.latent)
        return self._complete(*nothing_known(noise, self.shape), noise)

    def accompany(
        self,
        given: Tensor,
        free: Tensor,
        noise: Tensor,
        plan: PlanBits | None = None,
        keys: Tensor | None = None,
        earlier: Tensor | None = None,
    ) -> Tensor:
        """Compose the free units of phrases, see :meth:`ComposingNetwork.accompany`; without a plan."""
        if plan is not None:
            raise ValueError("this composer composes without plans")
        check_inputs(given, free, noise, self.shape, self.latent)
        return self._complete(to_draft(given, self.shape), free, noise)

    def revisions(self, given: Tensor, free: Tensor, noise: Tensor, limits: Limits | None = None) -> Iterator[Tensor]:
        """Compose as :meth:`accompany` does, and yield the phrases after each stage; the last are the result.

        Args:
            given: phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones.
            free: units to compose, boolean ``(batch, tracks, bars * beats)``.
            noise: ``(batch, latent)``.
            limits: what may be decided; anything by default.

        Raises:
            TypeError, ValueError: an argument has another type or shape.

        """
        check_inputs(given, free, noise, self.shape, self.latent)
        if limits is not None:
            limits.check(len(given), self.shape)
        draft = to_draft(given, self.shape)
        form = self._form(draft, free, noise)
        for stage in self._stages(draft, free, noise, limits.form(form) if limits else form, limits):
            yield to_phrases(stage.draft, self.shape)

    def revise(self, phrases: Tensor, free: Tensor, noise: Tensor, passes: int, share: float) -> Tensor:
        """Compose shares of the free units again, see :meth:`ComposingNetwork.revise`; at most one pass a stage."""
        check_inputs(phrases, free, noise, self.shape, self.latent)
        draft, matrices = to_draft(phrases, self.shape), self.mixer.matrices()
        for _, chances in zip(range(passes), self.noise.stage_noise(noise), strict=False):
            opened = free & (chances.opening < share)
            draft = self._decide(draft, opened, self.logits(draft, opened, matrices), chances)
        return to_phrases(draft, self.shape)

    def preactivated(self, noise: Tensor) -> Tensor:
        """Return the probability with which each cell and onset was last decided, of the phrases' shape.

        A cell sounds if its track moves and chooses it, or holds and it sounded the step before. Onsets that
        :meth:`forward` adds after silence are not included.
        """
        check_noise(noise, self.latent)
        odds, draft, free = noise.new_zeros(()), *nothing_known(noise, self.shape)
        form = self._form(draft, free, noise)
        for stage in self._stages(draft, free, noise, form):
            opened = steps_of(stage.opened, self.shape)
            choices = Choices(stage.draft, self._tracks(), opened)
            for decision in self.decisions:
                choices = decision.odds(stage.logits[decision.name], choices, self.neuron)
            planes = [choices["cells"]] + ([] if stage.draft.onsets is None else [choices["onsets"]])
            # The first stage opens all units.
            odds = torch.where(opened[:, None, :, :, None], torch.stack(planes, 1), odds)
        if form:
            odds = torch.stack([form.repeat(plane) for plane in odds.unbind(1)], 1)
        phrases: Tensor = odds.flatten(1, 2).unflatten(2, (self.shape.bars, self.shape.steps))
        return phrases

    def see(self, phrases: Tensor) -> None:
        """Update the statistics of training data: each track's most notes at once, and the phrases' forms.

        Args:
            phrases: real ones, ``(batch, channels, bars, steps, pitches)``, zeros and ones.

        """
        check_phrases(phrases, self.shape)
        self._see(to_draft(phrases, self.shape))

    def imitation(self, real: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the cross-entropy of the decisions on hidden units of real phrases, given the other units.

        Units are hidden at random (see :func:`draw_open`). Each phrase has the same weight, however many of its units
        are hidden (Coconet, equation 3). The phrases' statistics are updated as by :meth:`see`.

        Args:
            real: phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones.
            generator: source of the draws, on the CPU.

        Returns:
            The loss in nats per step of a track, without dimensions.

        Raises:
            TypeError, ValueError: ``real`` has another type, shape or values.

        """
        check_phrases(real, self.shape)
        shape, draft = self.shape, to_draft(real, self.shape)
        self._see(draft)
        opened = draw_open(len(real), len(shape.track_set), shape.bars, shape.beats, generator, self.settings.hidden)
        opened = opened.to(real.device)
        logits, hidden = self.logits(draft, opened), steps_of(opened, self.shape)
        observed = Choices(draft, self._tracks(), hidden)
        for decision in self.decisions:
            observed = decision.observe(observed)
        losses = torch.zeros_like(hidden, dtype=torch.float32)
        for decision in self.decisions:
            losses = losses + decision.loss(logits[decision.name], observed)
        weights = hidden.float()
        return ((losses * weights).sum((1, 2)) / weights.sum((1, 2))).mean()

    def logits(
        self,
        draft: Draft,
        opened: Tensor,
        matrices: Sequence[Matrices] | None = None,
        limits: Limits | None = None,
    ) -> Logits:
        """Return the logits of all decisions, at open and other units.

        Args:
            draft: the phrases; the network does not see their open units.
            opened: units to decide on, boolean ``(batch, tracks, bars * beats)``.
            matrices: those of the mixer for the present weights, to save computing them.
            limits: see :meth:`revisions`.

        """
        features = self.mixer(network_inputs(draft, opened, self.shape), matrices)
        cells = self.notes(features)
        steps = self.steps(torch.cat([features.mean(3, keepdim=True), features.amax(3, keepdim=True)]))
        tracks = self._tracks() if limits is None else limits.tracks(self._tracks())
        made = network_logits(self.decisions, steps, cells, self.shape, tracks)
        return made if limits is None else limits.logits(made)

    def _tracks(self) -> Tracks:
        return Tracks(self.drums, self.most, playable_pitches(self.shape, self.drums.device))

    def _see(self, draft: Draft) -> None:
        self.most.copy_(torch.maximum(self.most, draft.cells.sum(3).amax((0, 2)).long()))
        if self.settings.form:
            remember_forms(self.forms, self.seen, draft.bars(self.shape.bars))

    def _complete(self, draft: Draft, free: Tensor, noise: Tensor) -> Tensor:
        form = self._form(draft, free, noise)
        for stage in self._stages(draft, free, noise, form):
            draft = stage.draft
        return to_phrases(draft, self.shape)

    def _form(self, draft: Draft, free: Tensor, noise: Tensor) -> Form | None:
        if not self.settings.form:
            return None
        return draw_form(self.forms, self.seen, draft.bars(self.shape.bars), free, self.noise.form_noise(noise))

    def _stages(
        self, draft: Draft, free: Tensor, noise: Tensor, form: Form | None, limits: Limits | None = None
    ) -> Iterator[Stage]:
        """Yield the stages that decide on the free units of a draft; gradients flow through the last one alone."""
        settings, last = self.settings, self.settings.stages - 1
        if form:  # a bar that repeats a given one is given too
            draft, free = draft.map(form.repeat), form.repeat(free)
        with torch.no_grad():
            matrices = self.mixer.matrices()
        for number, chances in enumerate(self.noise.stage_noise(noise)):
            learns = torch.is_grad_enabled() and number == last
            share = max(share_of(settings, number), settings.lesson if learns else 0)
            opening = form.repeat(chances.opening) if form else chances.opening
            opened = free if number == 0 else free & (opening < share)
            with torch.set_grad_enabled(learns):
                logits = self.logits(draft, opened, None if learns else matrices, limits)
                draft = self._decide(draft, opened, logits, chances, form)
            yield Stage(opened, logits, draft)

    def _decide(
        self, draft: Draft, opened: Tensor, logits: Logits, chances: StageNoise, form: Form | None = None
    ) -> Draft:
        """Return the draft with new decisions in its open units."""
        choices = Choices(draft, self._tracks(), steps_of(opened, self.shape), form)
        for decision in self.decisions:
            choices = decision.decide(logits[decision.name], choices, chances.values[decision.name], self.neuron)
        decided = Draft(choices["cells"], choices.get("onsets"))
        return decided.map(form.repeat) if form else decided
