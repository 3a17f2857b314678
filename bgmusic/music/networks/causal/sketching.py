"""Decide the chords of accompaniments first: sketches are composed, and the last one's chords planned.

Drafts to a given track meet it note by note, and their harmony wanders. The chords of a whole sketch are a better
guide: composed anew under them, an accompaniment has more triads and cadences (docs/notes/causal-results.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from bgmusic.music.networks.causal.steps import by_step
from bgmusic.music.networks.causal.task import Given
from bgmusic.music.networks.composer.draft import Draft
from bgmusic.music.networks.composer.features import steps_of
from bgmusic.music.networks.plan_bits import PlanBits, plan_bits
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.shape import HARMONY
from bgmusic.music.rolls.shape import RollShape

Composing = Iterator[tuple[float, Callable[[], Tensor]]]
"""The share of phrases that is composed, and a function that returns them so far."""


def in_rounds(
    compose: Callable[[Tensor, PlanBits | None], Composing],
    noise: Tensor,
    plan: PlanBits | None,
    rows: Tensor,
    sketches: int,
    shape: RollShape,
) -> Composing:
    """Compose phrases, those of ``rows`` under the chords of the last of several sketches.

    Args:
        compose: composes phrases from noise, under a plan.
        noise: ``(batch, latent)``; each sketch has the same in another order.
        plan: what was decided before; None: nothing.
        rows: phrases whose chords are sketched, boolean ``(batch,)``.
        sketches: how many, each under the chords of the one before.
        shape: of the phrases.

    """
    rounds = 1 + (sketches if bool(rows.any()) else 0)
    planned = plan
    for left in reversed(range(rounds)):
        for done, phrases in compose(noise.roll(left * (noise.shape[1] // rounds), 1), planned):
            yield (rounds - 1 - left + done) / rounds, phrases
        planned = with_chords(plan, phrases(), rows, shape) if left else planned


def lack_chords(draft: Draft, free: Tensor, plan: PlanBits | None, shape: RollShape) -> Tensor:
    """Return which phrases are accompaniments without a chord on each beat: boolean ``(batch,)``.

    Args:
        draft: what is given.
        free: units to compose, boolean ``(batch, tracks, units)``.
        plan: what was decided before; None: nothing.
        shape: of the phrases.

    """
    accompany = Given(*by_step(draft), ~steps_of(free, shape).transpose(1, 2)).accompanied
    return accompany if plan is None else accompany & (plan.bits[..., HARMONY] < 1).any(1)


def with_chords(plan: PlanBits | None, sketches: Tensor, rows: Tensor, shape: RollShape) -> PlanBits:
    """Plan the chords of sketches where a plan has none.

    Args:
        plan: what was decided before; None: nothing.
        sketches: phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones.
        rows: phrases whose chords are planned, boolean ``(batch,)``.
        shape: of the phrases.

    """
    plans = extract_channels(sketches.detach().cpu().numpy() > 0.5, shape)
    sketched = plan_bits(plans.only("harmony"), shape, sketches.device)
    plan = replace(sketched, bits=torch.zeros_like(sketched.bits)) if plan is None else plan
    chords = torch.arange(sketched.bits.shape[2], device=sketches.device) <= HARMONY  # and that they are known
    taken = rows[:, None, None] & (plan.bits[..., HARMONY, None] < 1) & chords
    return replace(plan, bits=torch.where(taken, sketched.bits, plan.bits))
