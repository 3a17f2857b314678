"""The networks of a causal composer: likelihoods of phrases, and composing in the common key.

:class:`.network.CausalComposer` adds what users of a composer call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from bgmusic.errors import UserError
from bgmusic.music.networks.causal.again import Again
from bgmusic.music.networks.causal.context import ContextEncoder, StepEmbedding
from bgmusic.music.networks.causal.critic_ahead import what_is_known
from bgmusic.music.networks.causal.critics import Critics, is_blank
from bgmusic.music.networks.causal.decoder import TrackDecoder
from bgmusic.music.networks.causal.earlier import recalled
from bgmusic.music.networks.causal.finish import silenced
from bgmusic.music.networks.causal.known_keys import known_or_own_keys
from bgmusic.music.networks.causal.likelihood import embed_past, track_losses
from bgmusic.music.networks.causal.noise import NoiseLayout
from bgmusic.music.networks.causal.obedience import judge_of
from bgmusic.music.networks.causal.particles import ParticleFilter
from bgmusic.music.networks.causal.parts import Parts
from bgmusic.music.networks.causal.rates import JudgedRates, Rates
from bgmusic.music.networks.causal.recall import Recall
from bgmusic.music.networks.causal.request import Request
from bgmusic.music.networks.causal.returns import count_decisions, describe_returns, kinds_of_decisions
from bgmusic.music.networks.causal.rows import LEADS, given_lines, guide, planned_rows, playable_rows
from bgmusic.music.networks.causal.sampling import compose_steps
from bgmusic.music.networks.causal.stepping import batch_sizes
from bgmusic.music.networks.causal.steps import by_step, describe_steps
from bgmusic.music.networks.causal.task import Given, Task
from bgmusic.music.networks.causal.trunk import Trunk
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.composer.draft import Draft
from bgmusic.music.networks.composer.features import steps_of
from bgmusic.music.networks.composing_network import ComposingNetwork
from bgmusic.music.networks.keys import KEYS, MARGIN, key_of, pitch_classes, to_common
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.networks.plan_bits import PlanBits, features_of
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import NEURONS

_MAX_NOISE = 1 << 24
_PARTS = "critic.", "recall.", "rates."  # that a stage may lack
_MAX_STEPS = 4096  # attention is quadratic in the steps of a phrase


class CausalNetwork(ComposingNetwork):
    """Networks that compose phrases; :class:`.network.CausalComposer` describes arguments and errors."""

    most: Tensor
    keys: Tensor

    def __init__(self, config: PianorollConfig, shape: RollShape) -> None:
        super().__init__()
        settings = config.network
        if not isinstance(settings, CausalConfig):
            raise TypeError("a causal composer needs a CausalConfig")
        self.shape, self.settings = shape, settings
        tracks, steps = len(shape.track_set), shape.bars * shape.steps
        if steps > _MAX_STEPS:
            raise UserError(f"phrases of {steps:,} steps are too long for a causal composer; at most {_MAX_STEPS:,}")
        # A second stage trains the critics alone; without them, the first draft is the result.
        self.critic = None
        if config.strategy == "two-stage":
            self.critic = Critics(shape, settings)
        drafts, draws = (settings.drafts, shape.bars * shape.beats) if self.critic else (1, 0)
        self.first_draft = NoiseLayout(steps, tracks, settings.chords, returns=count_decisions(settings, shape.drums))
        self.noise = replace(self.first_draft, drafts=drafts, draws=draws)
        self.batch, self.least = batch_sizes(shape, settings, drafts)
        self.latent = self.noise.size
        if self.latent > _MAX_NOISE:
            raise UserError(f"{self.latent:,} numbers of noise for a phrase are too many; at most {_MAX_NOISE:,}")
        # The most notes that each track played at once in training data: a voice that sings one never sings two.
        self.register_buffer("most", torch.ones(tracks, dtype=torch.int64))
        # Keys of training phrases; a new phrase draws its key from them.
        self.register_buffer("keys", torch.ones(KEYS, dtype=torch.int64))
        width, rows = settings.width, shape.pitches + 2 * MARGIN
        self.known_notes = StepEmbedding(shape, width)
        self.encoder = ContextEncoder(shape, features_of(shape), settings)
        self.key = nn.Embedding(2 * KEYS, width)  # keys that are shown as C, then distances of phrases to C
        nn.init.normal_(self.key.weight, std=0.1)
        self.leads = nn.Embedding(LEADS, width, padding_idx=0)
        nn.init.normal_(self.leads.weight[1:], std=0.1)
        self.trunk = Trunk(shape, StepEmbedding(shape, width), settings)
        self.decoders = nn.ModuleList(TrackDecoder(track, shape.drums, rows, settings) for track in range(tracks))
        self.neuron = NEURONS[config.neuron](config.estimator)
        self.recall = None
        if settings.recall:
            self.recall = Recall(tracks, settings.hidden, settings.recall, kinds_of_decisions(settings, shape.drums))
            self.recall.requires_grad_(False)
        self.recall_bars = settings.recall * shape.bars
        self.rates = Rates(tracks) if settings.rates and self.critic is not None else None
        self._learn()

    def _learn(self) -> None:
        """Let only those weights be trained that this stage trains."""
        settings = self.settings
        if self.critic is None:
            if settings.learns != "critics":
                raise UserError(f"network.learns: {settings.learns} is for runs with critics, strategy: two-stage")
            return
        self.requires_grad_(False)
        if settings.learns == "critics":
            self.critic.learn(settings.contrast == "composed", settings.known_only)
        elif settings.learns == "recall" and self.recall is not None:
            self.recall.learn(settings.contrast == "composed")
        elif self.rates is not None:
            self.rates.requires_grad_()

    def begin_with(self, weights: Mapping[str, Tensor]) -> None:
        """Load the weights of another stage, without those parts that only one of both has.

        Raises:
            ValueError: they are those of another network.

        """
        absent = tuple(name for name in _PARTS if getattr(self, name[:-1]) is None)
        weights = {name: value for name, value in weights.items() if not name.startswith(absent)}
        missing, unexpected = self.load_state_dict(weights, strict=False)
        if unexpected or any(not name.startswith(_PARTS) for name in missing):
            raise ValueError("weights of another network")

    def nats(
        self,
        draft: Draft,
        opened: Tensor,
        plan: PlanBits | None = None,
        frames: Tensor | None = None,
        earlier: Tensor | None = None,
    ) -> Tensor:
        """Return the negative log likelihoods of decisions, given the key: float32 ``(batch, steps, tracks)``.

        Args:
            draft: the phrases.
            opened: units that are not known in advance, boolean ``(batch, tracks, units)``.
            plan: what was decided before; None: nothing.
            frames: keys that are shown as C instead of the phrases' own, -1 for none, int64 ``(batch,)``.
            earlier: bars before, see :func:`.earlier.recalled`.

        """
        keys = own = known_or_own_keys(draft, opened, plan, self.shape)
        if frames is not None:
            keys = torch.where(frames >= 0, frames, own)
        draft = draft.map(lambda plane: to_common(plane, keys, self.shape))
        cells, onsets = by_step(draft)
        steps = describe_steps(cells, onsets)
        known = ~steps_of(opened, self.shape).transpose(1, 2)
        context = self._context(draft, opened, plan, keys, own)
        share = self.settings.history if self.training else 0.0
        returns, playable = None, playable_rows(keys, self.shape)
        if self.noise.returns:
            returns = describe_returns(cells, steps.started, known, playable, self.settings, self.shape)
        embedded = embed_past(self.trunk, cells, steps, returns, onsets is not None, share)
        state = self.trunk(embedded, context) + context
        lines = given_lines(cells, opened, self.shape)
        chords = planned_rows(plan, keys, self.shape)
        advance = guide(chords, lines, 1.0, self.shape)
        before = recalled(earlier, keys, chords, self.settings, self.shape)
        return track_losses(self._parts(), state, steps, returns, cells, known, playable, advance, before)

    def limits(self) -> list[int]:
        """Return the most notes that each track plays at once; drums may strike all their rows."""
        return [
            self.shape.pitches if drums else int(most)
            for most, drums in zip(self.most.tolist(), self.shape.drums, strict=True)
        ]

    def _parts(self) -> Parts:
        networks = self.trunk, self.leads, [cast("TrackDecoder", decoder) for decoder in self.decoders]
        return Parts(
            self.shape, self.settings, *networks, self.limits(), self.neuron, self.shape.planes > 1, self.recall
        )

    def _context(
        self, draft: Draft, opened: Tensor, plan: PlanBits | None, keys: Tensor, own: Tensor | None = None
    ) -> Tensor:
        """Return what is known of each step as the network sees it: ``(batch, steps, width)``.

        ``keys`` are shown as C; ``own`` are those of the phrases, None: the same.
        """
        known = ~steps_of(opened, self.shape).transpose(1, 2).unsqueeze(3)
        shown = [plane.transpose(1, 2) * known for plane in draft.planes]
        steps = self.known_notes(shown[0], shown[1] if len(shown) > 1 else None)
        beats = self.encoder(steps, ~opened, None if plan is None else plan.in_common(keys))
        distance = torch.zeros_like(keys) if own is None else (own - keys) % KEYS
        if self.settings.registers:
            key = self.key(keys) + self.key(KEYS + distance)
        else:
            key = self.key(torch.where(distance > 0, KEYS + distance, keys))
        context: Tensor = steps + key[:, None] + beats.repeat_interleave(self.shape.unit, 1)
        return context

    def see_draft(self, draft: Draft) -> None:
        """Update the statistics, see :meth:`see`."""
        self.most.copy_(torch.maximum(self.most, draft.cells.sum(3).amax((0, 2)).long()))
        self.keys += key_of(pitch_classes(draft.cells, self.shape)).bincount(minlength=KEYS)

    @torch.no_grad()
    def compose(
        self, request: Request, noise: Tensor, layout: NoiseLayout, learning: bool = False
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Compose in the common key, see :func:`compose_steps`.

        Args:
            request: the phrases, with their keys.
            noise: ``(batch, numbers)``, as ``layout`` arranges it.
            layout: ``self.noise``, or ``self.first_draft`` to compose without the critics.
            learning: whether critics learn from it: then no fault costs anything.

        """
        plan, free, draft, keys = request.plan, request.free, request.draft, request.keys
        if keys is None:
            raise TypeError("phrases are composed in a key")
        blank = is_blank(free, plan)
        if plan is not None:
            free, draft = free & ~plan.silent, draft.map(lambda plane: silenced(plane, free & plan.silent, self.shape))
        common = draft.map(lambda plane: to_common(plane, keys, self.shape))
        known = ~steps_of(free, self.shape).transpose(1, 2)
        chords = planned_rows(plan, keys, self.shape)
        cells, onsets = by_step(common)
        advance = what_is_known(cells, free, chords, keys, self.shape)
        task = Task(
            Given(cells, onsets, known),
            None if plan is None else plan.repeats,
            self._context(common, free, plan, keys),
            playable_rows(keys, self.shape),
            guide(chords, advance.lines, self.settings.obedience, self.shape) if advance.anything else None,
            None if plan is None or not plan.playing.any() else plan.playing,
            recalled(request.earlier, keys, chords, self.settings, self.shape),
        )
        particles = None
        if blank.all():
            layout = replace(layout, drafts=min(layout.drafts, self.settings.blank_drafts))
        if layout.drafts > 1:
            task = task.repeated(layout.drafts)
            critic = cast("Critics", self.critic).of(blank)
            busy = None if plan is None else plan.activity.repeat_interleave(layout.drafts, 0)
            costs = (0.0,) * 3 if learning else self.settings.costs
            judge = judge_of(critic, advance.repeated(layout.drafts), busy, self.shape, *costs)
            if self.rates is not None:
                judge = JudgedRates(judge, self.rates.of(blank), self.shape, len(task.given.cells))
            if self.recall is not None and task.earlier is not None:
                judge = Again(judge, task.earlier, layout.drafts, self.recall.returning, self.shape)
            particles = ParticleFilter(judge, layout.drafts, layout.of_draws(noise))
        return compose_steps(self._parts(), task, layout.thresholds(noise), particles)
