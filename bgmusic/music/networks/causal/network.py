"""The causal composer: a generator in which every decision sees all decisions before it.

A phrase is composed from its first step to its last, within a step track by track. A track decides whether anything
changes, which notes go on, and which start, from the lowest up; each of these is a binary neuron's decision. All steps
of a phrase are learnt at once, by imitation. What is known of a phrase (given units, a plan) is seen from every step.

All random numbers are part of the noise (see :mod:`.noise`): the output is a deterministic function of it.

Sources: chain rule over voices and steps: Boulanger-Lewandowski et al., ICML 2012 (arXiv 1206.6392); weights shared
over pitches: Johnson, "Generating polyphonic music using tied parallel networks", EvoMUSART 2017. Interval tables and
coupled thresholds are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from bgmusic.music.networks.causal.again_learning import again_loss
from bgmusic.music.networks.causal.body import CausalNetwork
from bgmusic.music.networks.causal.finish import finished
from bgmusic.music.networks.causal.known_keys import known_keys
from bgmusic.music.networks.causal.learning import critics_loss, draft_loss, rates_loss, recall_loss
from bgmusic.music.networks.causal.noise import NoiseLayout
from bgmusic.music.networks.causal.request import Request
from bgmusic.music.networks.causal.sketching import Composing, in_rounds, lack_chords
from bgmusic.music.networks.checks import check_inputs, check_noise, check_phrases
from bgmusic.music.networks.composer.draft import nothing_known, to_draft, to_phrases
from bgmusic.music.networks.keys import draw_keys
from bgmusic.music.networks.plan_bits import PlanBits


class CausalComposer(CausalNetwork):
    """Generate phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones, from noise ``(batch, latent)``.

    Args:
        config: its ``network`` is a :class:`CausalConfig`.
        shape: shape of the phrases.

    Raises:
        TypeError: the config is one of another network.
        UserError: the shape would need far too much memory.

    """

    plans = True

    def forward(
        self, noise: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Generate phrases. ``generator`` and ``thresholds`` are ignored: the noise determines them."""
        check_noise(noise, self.latent)
        return self._compose(Request(*nothing_known(noise, self.shape)), noise)

    def draft(self, noise: Tensor) -> Tensor:
        """Generate first drafts of phrases, without the critic, from noise ``(batch, first_draft.size)``."""
        check_noise(noise, self.first_draft.size)
        return self._compose(Request(*nothing_known(noise, self.shape)), noise, self.first_draft)

    def accompany(
        self,
        given: Tensor,
        free: Tensor,
        noise: Tensor,
        plan: PlanBits | None = None,
        keys: Tensor | None = None,
        earlier: Tensor | None = None,
    ) -> Tensor:
        """Compose the free units of phrases, see :meth:`ComposingNetwork.accompany`."""
        check_inputs(given, free, noise, self.shape, self.latent)
        return self._compose(Request(to_draft(given, self.shape), free, plan, keys, earlier), noise)

    def revise(self, phrases: Tensor, free: Tensor, noise: Tensor, passes: int, share: float) -> Tensor:
        """Compose shares of the free units again, see :meth:`ComposingNetwork.revise`."""
        check_inputs(phrases, free, noise, self.shape, self.latent)
        draft = to_draft(phrases, self.shape)
        for number in range(passes):
            # Each pass has another order of the same noise.
            moved = noise.roll(number * (self.latent // max(1, passes)), 1)
            opened = free & (self.first_draft.openings(moved, free.shape[2]) < share)
            draft = to_draft(self._compose(Request(draft, opened), moved), self.shape)
        return to_phrases(draft, self.shape)

    def see(self, phrases: Tensor) -> None:
        """Update the statistics of training data: each track's most notes at once.

        Args:
            phrases: real ones, ``(batch, channels, bars, steps, pitches)``, zeros and ones.

        """
        check_phrases(phrases, self.shape)
        self.see_draft(to_draft(phrases, self.shape))

    def imitation(self, real: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the cross-entropy of the decisions that real phrases show.

        In a second stage: the loss of what it trains, ``network.learns``. See :mod:`.learning`. The statistics of
        :meth:`see` are updated.

        Args:
            real: phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones; where it learns what is recalled,
                after the bars before them.
            generator: source of the draws, on the CPU.

        Returns:
            The loss in nats per step of a track, without dimensions. Raises as :meth:`see` does.

        """
        if self.settings.learns == "recall":
            bars = self.shape.bars + self.recall_bars
            check_phrases(real, self.shape.model_copy(update={"bars": bars}))
            return (again_loss if self.settings.contrast == "composed" else recall_loss)(self, real, generator)
        check_phrases(real, self.shape)
        # Dropout draws from torch's own generator: seeded here, so that a resumed training goes on exactly.
        seed = int(torch.randint(1 << 62, (), generator=generator))
        with torch.random.fork_rng([real.device.index or 0] if real.device.type == "cuda" else []):
            torch.manual_seed(seed)
            if self.critic is None:
                return draft_loss(self, real, generator)
            return (rates_loss if self.settings.learns == "rates" else critics_loss)(self, real, generator)

    def sketches(
        self,
        given: Tensor,
        free: Tensor,
        noise: Tensor,
        plan: PlanBits | None = None,
        keys: Tensor | None = None,
        earlier: Tensor | None = None,
    ) -> Iterator[tuple[Tensor, float]]:
        """Compose as :meth:`accompany` does, and yield the phrases so far after each beat.

        Yields:
            Phrases ``(batch, channels, bars, steps, pitches)``, silent where they are not composed, and the share that
            is done. The last one is what :meth:`accompany` returns; before it, drafts may still be exchanged.

        """
        check_inputs(given, free, noise, self.shape, self.latent)
        request = Request(to_draft(given, self.shape), free, plan, keys, earlier)
        for done, phrases in self._progress(request, noise, self.noise):
            yield phrases(), done

    def _compose(self, request: Request, noise: Tensor, layout: NoiseLayout | None = None) -> Tensor:
        *_, (_, phrases) = self._progress(request, noise, layout or self.noise)
        return phrases()

    def _progress(self, request: Request, noise: Tensor, layout: NoiseLayout) -> Composing:
        """Compose; the chords of accompaniments are decided first, see :mod:`.sketching`."""
        sketches = self.settings.sketches
        if layout.drafts == 1 or not sketches:
            return self._round(request, layout, noise, request.plan)
        rows = lack_chords(request.draft, request.free, request.plan, self.shape)
        return in_rounds(partial(self._round, request, layout), noise, request.plan, rows, sketches, self.shape)

    def _round(self, request: Request, layout: NoiseLayout, noise: Tensor, plan: PlanBits | None) -> Composing:
        """Compose as :meth:`_progress` does, without sketches."""
        keys = known_keys(request.draft, request.free, plan, self.shape)
        if request.keys is not None:
            keys = torch.where(request.keys < 0, keys, request.keys)
        keys = torch.where(keys < 0, draw_keys(self.keys, layout.key(noise)), keys)
        for done, cells, onsets in self.compose(replace(request, plan=plan, keys=keys), noise, layout):
            first = slice(None, None, len(cells) // len(noise))  # of the drafts of each phrase
            both = cells[first], onsets[first]
            yield done / layout.steps, partial(finished, both, keys, plan, noise.dtype, self.shape)
