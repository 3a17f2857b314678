"""Interpolate between two phrases.

A composition is a chaotic function of its noise, so a path through noise passes phrases with little in common. A
composer mixes the music itself instead: each phrase on the way takes over a few more beats of the last phrase, and the
composer revises the others to fit. Other generators follow the great circle between two seeds' noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.gan.draws import Draws
from bgmusic.gan.generate import Progress, check_binarize, decide, device_of, least_of
from bgmusic.gan.latent import great_circle
from bgmusic.music.composing.generate import batch_of, phrases
from bgmusic.music.composing.workers import in_parts
from bgmusic.music.networks.composer.masks import cells_of
from bgmusic.music.networks.composing_network import ComposingNetwork
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork

# Chosen on `bach` with the shipped generator (three pairs of phrases, 9 steps each): neighbours share 60 to 80% of
# their notes, evenly along the way. Twice the passes and twice the share fit better together, but the first step then
# keeps 40% of the notes only.
PASSES, SHARE = 4, 0.1


def interpolate(
    generator: SampleNetwork,
    shape: RollShape,
    seeds: tuple[int, int],
    steps: int,
    binarize: str = "ht",
    progress: Progress | None = None,
    *,
    jobs: int = 1,
) -> NDArray[np.bool_]:
    """Generate phrases at equal steps from one seed's phrase to another's, both included.

    The first is the phrase that :func:`bgmusic.music.composing.generate.phrases` makes of the first seed. A composer
    ends with the phrase of the second seed. In other networks stochastic neurons (and ``bs``) draw by the first seed
    throughout, so that only the noise differs: without such draws the last phrase is the second seed's.

    Args:
        generator: in evaluation mode.
        shape: shape of its phrases.
        seeds: of the first and of the last phrase.
        steps: number of phrases, 2 or more.
        binarize: ``ht`` or ``bs``, for a real-valued generator.
        progress: receives the number of phrases generated since the last call.
        jobs: number of processes; a composer's phrases follow from each other, so it takes one.

    Returns:
        Booleans ``(steps, channels, bars, steps, pitches)``.

    Raises:
        UserError: ``binarize`` is neither ``ht`` nor ``bs``, or another argument is out of range.

    """
    check_binarize(binarize)
    if steps < 2:
        raise UserError(f"an interpolation has at least 2 phrases, not {steps}")
    if not isinstance(generator, ComposingNetwork):
        task = partial(_along_circle, shape=shape, seeds=seeds, steps=steps, binarize=binarize)
        return np.concatenate(in_parts(generator, task, 0, steps, 1, jobs, progress))
    ends = (torch.from_numpy(phrases(generator, shape, 1, seed, binarize)) for seed in seeds)
    first, last = (end.to(device_of(generator), torch.float32) for end in ends)
    made = []
    for phrase in morph(generator, first, last, steps, _order_draws(seeds)):
        made.append(phrase.to(torch.bool).cpu().numpy())
        if progress:
            progress(1)
    return np.concatenate(made)


def _along_circle(
    generator: SampleNetwork,
    first: int,
    count: int,
    progress: Progress,
    *,
    shape: RollShape,
    seeds: tuple[int, int],
    steps: int,
    binarize: str,
) -> NDArray[np.bool_]:
    start, end = (Draws(seed, 0, 1).noise(generator.latent) for seed in seeds)
    draws = Draws(seeds[0], 0, least_of(generator) or batch_of(generator, shape))
    made = []
    for noise in great_circle(start, end, steps)[first : first + count]:
        made.append(decide(generator, noise.expand(draws.count, -1), draws, binarize)[:1].to(torch.bool).cpu().numpy())
        progress(1)
    return np.concatenate(made)


def _order_draws(seeds: tuple[int, int]) -> torch.Generator:
    """Return the generator of the order in which beats are taken over, and of the revisions."""
    (state,) = np.random.SeedSequence(seeds[0], spawn_key=(seeds[1],)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> 1))


@torch.no_grad()
def morph(
    composer: ComposingNetwork, first: Tensor, last: Tensor, steps: int, rng: torch.Generator
) -> Iterator[Tensor]:
    """Yield ``steps`` phrases ``(1, channels, bars, steps, pitches)`` from ``first`` to ``last``, both included.

    Beats are taken over in random order, one track after another within a beat, at an even pace.

    Args:
        composer: in evaluation mode.
        first: a phrase ``(1, channels, bars, steps, pitches)``, zeros and ones.
        last: another one.
        steps: number of phrases, 2 or more.
        rng: generator of the order and of revisions, on the CPU.

    """
    shape = composer.shape
    tracks_count = len(shape.track_set)
    order = torch.randperm(shape.bars * shape.beats, generator=rng)
    tracks = torch.stack([torch.randperm(tracks_count, generator=rng) for _ in order], 1)
    place = (order * tracks_count + tracks).unsqueeze(0)  # position of each unit (1, tracks, beats), from 0
    yield first
    phrase, taken = first, torch.zeros_like(place, dtype=torch.bool)
    for step in range(1, steps - 1):
        now = place < step * place.numel() / (steps - 1)
        if not now.equal(taken):
            noise = torch.randn(1, composer.latent, generator=rng).to(phrase.device)
            kept = now.to(phrase.device)
            mixed = torch.where(cells_of(kept, shape), last, phrase)
            phrase = composer.revise(mixed, ~kept, noise, PASSES, SHARE)
            taken = now
        yield phrase
    yield last
