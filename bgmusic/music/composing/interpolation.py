"""Interpolate between two phrases.

A composition is a chaotic function of its noise, so a path through noise passes phrases with little in common. A
composer mixes the music itself instead: each phrase on the way takes over a few more beats of the last phrase, and the
composer revises the others to fit. Other generators follow the great circle between two seeds' noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.gan.generate import Progress, check_binarize, decide, device_of, draws_of, noises
from bgmusic.gan.latent import great_circle
from bgmusic.music.composing.pieces import later_draws
from bgmusic.music.networks.composer.masks import cells_of
from bgmusic.music.networks.composer.network import Composer
from bgmusic.training.protocols import SampleNetwork

# Chosen on `bach` with the shipped generator (three pairs of phrases, 9 steps each): neighbours share 60 to 80% of
# their notes, evenly along the way. Twice the passes and twice the share fit better together, but the first step then
# keeps 40% of the notes only.
PASSES, SHARE = 4, 0.1


def interpolate(
    generator: SampleNetwork,
    seeds: tuple[int, int],
    steps: int,
    binarize: str = "ht",
    progress: Progress | None = None,
) -> NDArray[np.bool_]:
    """Generate phrases at equal steps from one seed's phrase to another's, both included.

    The first is the phrase that :func:`bgmusic.music.composing.generate.phrases` makes of the first seed. A composer
    ends with the phrase of the second seed. In other networks stochastic neurons (and ``bs``) draw by the first seed
    throughout, so that only the noise differs: without such draws the last phrase is the second seed's.

    Args:
        generator: in evaluation mode.
        seeds: of the first and of the last phrase.
        steps: number of phrases, 2 or more.
        binarize: ``ht`` or ``bs``, for a real-valued generator.
        progress: receives the number of phrases generated since the last call.

    Returns:
        Booleans ``(steps, channels, bars, steps, pitches)``.

    Raises:
        UserError: ``binarize`` is neither ``ht`` nor ``bs``, or ``steps`` is below 2.

    """
    check_binarize(binarize)
    if steps < 2:
        raise UserError(f"an interpolation has at least 2 phrases, not {steps}")
    start, end = (next(noises(generator, 1, torch.Generator().manual_seed(seed))) for seed in seeds)

    def phrase(noise: Tensor) -> Tensor:
        rng = torch.Generator().manual_seed(seeds[0])
        torch.randn(1, generator.latent, generator=rng)  # skip the noise; the neurons' draws follow it
        return decide(generator, noise.to(device_of(generator)), draws_of(generator, rng, seeds[0]), binarize)

    if isinstance(generator, Composer):
        points = morph(generator, phrase(start), phrase(end), steps, later_draws(*seeds))
    else:
        points = map(phrase, great_circle(start, end, steps))
    made = []
    for point in points:
        made.append(point.to(torch.bool).cpu())
        if progress:
            progress(1)
    return torch.cat(made).numpy()


@torch.no_grad()
def morph(composer: Composer, first: Tensor, last: Tensor, steps: int, rng: torch.Generator) -> Iterator[Tensor]:
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
