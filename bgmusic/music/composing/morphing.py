"""A gradual way from one phrase to another, by a composer.

A composition is a chaotic function of its noise: noise a little apart soon makes other music, so a path through noise
leads from phrase to phrase, but through none that have much in common. Music itself can be mixed: each phrase on the
way takes over a few more beats of the last phrase as they are, and the composer revises the others to fit.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bgmusic.music.networks.composer.masks import cells_of
from bgmusic.music.networks.composer.network import Composer

# Found on `bach` with the generator that comes with bgmusic (three pairs of phrases, 9 on each way): neighbours have
# 60 to 80% of their notes in common, and the way is as gradual in the middle as at its ends. Twice the passes and
# twice the share fit better together, but a first step keeps 40% of the notes only.
PASSES, SHARE = 4, 0.1


@torch.no_grad()
def morph(composer: Composer, first: Tensor, last: Tensor, steps: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Phrases from ``first`` to ``last``, both included, each ``(1, channels, bars, steps, pitches)``.

    Beats are taken over in random order, and of a beat one track after the other, at an even pace.

    Args:
        composer: in evaluation mode.
        first: a phrase ``(1, channels, bars, steps, pitches)``, zeros and ones.
        last: another.
        steps: phrases, 2 at least.
        rng: of the order and of revisions, on the CPU.

    """
    plan = composer.plan
    order = torch.randperm(plan.bars * plan.beats, generator=rng)
    tracks = torch.stack([torch.randperm(plan.tracks, generator=rng) for _ in order], 1)
    place = (order * plan.tracks + tracks).unsqueeze(0)  # of each unit (1, tracks, beats), from 0
    yield first
    phrase, taken = first, torch.zeros_like(place, dtype=torch.bool)
    for step in range(1, steps - 1):
        now = place < step * place.numel() / (steps - 1)
        if not now.equal(taken):
            noise = torch.randn(1, composer.latent, generator=rng).to(phrase.device)
            theirs = now.to(phrase.device)
            mixed = torch.where(cells_of(theirs, plan), last, phrase)
            phrase = composer.revise(mixed, ~theirs, noise, PASSES, SHARE)
            taken = now
        yield phrase
    yield last
