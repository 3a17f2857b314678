"""What a causal composer learns: decisions of real phrases, and critics that tell real music from its own.

Critics first learn by cross-entropy to tell real beginnings from first drafts. The log of the ratio of their
probabilities, which they so estimate, weights drafts while a phrase is composed. The estimate is never exact, and
what is composed differs from real music still. Then they learn by maximum likelihood, as energies: the gradient is
their mean logit of real phrases less that of phrases composed under them (Hinton, "Training products of experts by
minimizing contrastive divergence", 2002; residual energies over a language model: Deng et al., ICLR 2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from bgmusic.music.networks.causal.critic_ahead import Known, what_is_known
from bgmusic.music.networks.causal.critics import Critics, is_blank
from bgmusic.music.networks.causal.known_keys import known_or_own_keys
from bgmusic.music.networks.causal.noise import NoiseLayout
from bgmusic.music.networks.causal.rates import Rates, count_phrases
from bgmusic.music.networks.causal.request import Request
from bgmusic.music.networks.causal.rows import planned_rows
from bgmusic.music.networks.causal.steps import by_step
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.composer.draft import Draft, to_draft
from bgmusic.music.networks.composer.features import steps_of
from bgmusic.music.networks.composer.masks import draw_all_but_one, draw_open
from bgmusic.music.networks.keys import KEYS, to_common
from bgmusic.music.networks.plan_bits import PlanBits, draw_plans
from bgmusic.music.rolls.shape import RollShape


class Learner(Protocol):
    """What learns here: a causal composer, see :class:`.network.CausalComposer` for its attributes and methods."""

    shape: RollShape
    settings: CausalConfig
    critic: Critics | None
    rates: Rates | None
    noise: NoiseLayout
    first_draft: NoiseLayout
    training: bool

    def train(self, mode: bool = True) -> Any: ...  # noqa: D102
    def see_draft(self, draft: Draft) -> None: ...  # noqa: D102

    def nats(  # noqa: D102
        self,
        draft: Draft,
        opened: Tensor,
        plan: PlanBits | None = None,
        frames: Tensor | None = None,
        earlier: Tensor | None = None,
    ) -> Tensor: ...

    def compose(  # noqa: D102
        self, request: Request, noise: Tensor, layout: NoiseLayout, learning: bool = False
    ) -> Iterator[tuple[int, Tensor, Tensor]]: ...


def draw_known(network: Learner, real: Tensor, generator: torch.Generator | None) -> tuple[Tensor, PlanBits]:
    """Draw what is known of real phrases: the units that are not, and plans.

    In a share ``blank`` of the phrases all units are open. In the others, units drawn by :func:`draw_open` are: of
    whole tracks in a share ``given_tracks``, of these all units but those of one track in a share ``given_one``, in the
    rest of any kind, also runs of bars.
    """
    shape, settings = network.shape, network.settings
    size = (len(real), len(shape.track_set), shape.bars, shape.beats, generator)

    def chosen(share: float) -> Tensor:
        return torch.rand(len(real), 1, 1, generator=generator) < share

    whole, tracks = chosen(settings.given_tracks), draw_open(*size, "tracks")
    if settings.given_one:
        tracks = torch.where(chosen(settings.given_one), draw_all_but_one(*size), tracks)
    opened = torch.where(whole, tracks, draw_open(*size, "runs")) | chosen(settings.blank)
    plans = draw_plans(real, shape, generator, settings.unplanned, settings.one_part)
    opened = opened.to(real.device)
    if settings.known_only:
        one = draw_all_but_one(*size).to(real.device)
        opened = torch.where(is_blank(opened, plans)[:, None, None], one, opened)
    return opened, plans


def draft_loss(network: Learner, real: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return the cross-entropy of the decisions of open units, in nats per step of a track."""
    shape, draft, settings = network.shape, to_draft(real, network.shape), network.settings
    network.see_draft(draft)
    opened, plan = draw_known(network, real, generator)
    weights = steps_of(opened & ~plan.decided, shape).transpose(1, 2).float()
    frames = torch.randint(KEYS, (len(real),), generator=generator)
    frames = torch.where(torch.rand(len(real), generator=generator) < settings.other_keys, frames, -1)
    losses = network.nats(draft, opened, plan, frames.to(real.device))
    return (losses * weights).sum() / weights.sum().clamp(min=1)


def recall_loss(network: Learner, real: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return the cross-entropy of the decisions of phrases whose earlier bars are recalled; see :func:`draft_loss`.

    Args:
        network: only :class:`.recall.Recall` learns.
        real: the bars before phrases, and the phrases: ``(batch, channels, bars, steps, pitches)``.
        generator: source of the draws.

    """
    shape, training = network.shape, network.training
    earlier, phrases = real[:, :, : -shape.bars], real[:, :, -shape.bars :]
    opened, plan = draw_known(network, phrases, generator)
    later = torch.arange(opened.shape[2], device=opened.device) >= shape.bars // 2 * shape.beats
    opened = opened & later  # as longer pieces are composed
    weights = steps_of(opened & ~plan.decided, shape).transpose(1, 2).float()
    network.train(False)  # as in composing: without dropout
    losses = network.nats(to_draft(phrases, shape), opened, plan, None, earlier)
    network.train(training)
    return (losses * weights).sum() / weights.sum().clamp(min=1)


def critics_loss(network: Learner, real: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return the loss of the critics; phrases are composed for the same plans and given units as real ones.

    With ``contrast: drafts`` it is their cross-entropy, and phrases are first drafts. With ``contrast: composed`` it is
    the mean difference of their logits of whole phrases, and phrases are composed under the critics.
    """
    training, last = network.training, network.settings.contrast == "composed"
    both = compose_like(network, real, generator, last)
    # Energies are those that weight drafts: without dropout.
    network.train(training and not last)
    loss = cast("Critics", network.critic).loss(both.real, both.made, both.known, both.blank, last)
    network.train(training)
    return loss


def rates_loss(network: Learner, real: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return the loss of :class:`.rates.Rates`, as that of critics with ``contrast: composed``.

    Raises:
        TypeError: the network has none.

    """
    if network.rates is None:
        raise TypeError("this composer counts nothing")
    both, total = compose_like(network, real, generator, True), torch.zeros((), device=real.device)
    for weights, rows in ((network.rates.blank, both.blank), (network.rates.known, ~both.blank)):
        if bool(rows.any()):
            made, music = (
                count_phrases(cells[rows], None if onsets is None else onsets[rows], network.shape)
                for cells, onsets in (both.made, both.real)
            )
            weights.see(music)
            total = total + (weights(made) - weights(music)).sum() / len(rows)
    return total


@dataclass(frozen=True)
class Both:
    """Real phrases, and phrases that were composed for the same plans and given units.

    Attributes:
        real: notes and onsets in the common key, boolean ``(batch, steps, tracks, rows)``.
        made: the same of what was composed.
        known: what is known of them in advance.
        blank: whether nothing is, boolean ``(batch,)``.

    """

    real: tuple[Tensor, Tensor | None]
    made: tuple[Tensor, Tensor | None]
    known: Known
    blank: Tensor


def compose_like(network: Learner, real: Tensor, generator: torch.Generator | None, chosen: bool) -> Both:
    """Compose phrases for plans and given units that are drawn of real ones.

    Args:
        network: composes them.
        real: phrases ``(batch, channels, bars, steps, pitches)``.
        generator: source of the draws.
        chosen: whether critics choose among drafts; else they are first drafts.

    """
    shape, draft, training = network.shape, to_draft(real, network.shape), network.training
    opened, plan = draw_known(network, real, generator)
    keys = known_or_own_keys(draft, opened, plan, shape)
    blank = is_blank(opened, plan)
    layout = network.noise if chosen else network.first_draft
    noise = torch.randn(len(real), layout.size, generator=generator).to(real.device)
    # Each critic chooses among drafts of its own phrases; without critics, all are composed together.
    parts = [rows for rows in (blank.nonzero()[:, 0], (~blank).nonzero()[:, 0]) if len(rows)]
    parts = parts if chosen else [torch.arange(len(real), device=real.device)]

    request = Request(draft, opened, plan, keys)

    def compose(rows: Tensor) -> tuple[Tensor, Tensor]:
        *_, (_, cells, onsets) = network.compose(request.chosen(rows), noise[rows], layout, learning=True)
        return cells, onsets

    network.train(False)
    made = [compose(rows) for rows in parts]
    network.train(training)
    order = torch.cat(parts).argsort()
    cells, onsets = (torch.cat(planes)[order] for planes in zip(*made, strict=True))
    real_steps = by_step(draft.map(lambda plane: to_common(plane, keys, shape)))
    known = what_is_known(real_steps[0], opened, planned_rows(plan, keys, shape), keys, shape)
    return Both(real_steps, (cells, onsets), known, blank)
