"""Generate pieces of any length: phrases along a path through latent space, joined.

The path follows great circles from one random waypoint to the next, so consecutive phrases have similar noise. A
composer sees the last half of each phrase when it composes the next (:mod:`bgmusic.music.composing.windows`); other
generators make one phrase after another.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.gan.generate import Progress, check_binarize, decide, draws_of, noises
from bgmusic.gan.latent import wander
from bgmusic.music.composing.generate import batch_of
from bgmusic.music.composing.windows import compose, hop_of, window_starts
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import RealValued
from bgmusic.training.protocols import SampleNetwork

MAX_BARS = 1024  # of a piece; half an hour of 4/4 at 120 beats a minute
_MAX_CELLS = 1 << 30  # of all pieces together; 1 GiB of booleans
STRIDE = 4  # phrases from one waypoint to the next


def check_length(shape: RollShape, bars: int, count: int) -> None:
    """Check that ``count`` pieces of ``bars`` bars fit into memory.

    Raises:
        UserError: they don't.

    """
    if not 1 <= bars <= MAX_BARS:
        raise UserError(f"a piece has 1 to {MAX_BARS} bars, not {bars}")
    cells = count * bars * (shape.cells // shape.bars)
    if cells > _MAX_CELLS:
        raise UserError(f"{count:,} pieces of {bars} bars are {cells:,} cells, at most {_MAX_CELLS:,}: ask for less")


def phrases_needed(generator: SampleNetwork, shape: RollShape, bars: int) -> int:
    """Return the number of phrases that a piece of ``bars`` bars is made of."""
    if isinstance(generator, Composer):
        return len(window_starts(_whole(bars, shape.bars), shape.bars))
    return -(-bars // shape.bars)


def pieces(
    generator: SampleNetwork,
    shape: RollShape,
    bars: int,
    count: int,
    seed: int,
    binarize: str = "ht",
    progress: Progress | None = None,
) -> NDArray[np.bool_]:
    """Generate pieces of ``bars`` bars.

    The same seed gives the same pieces. A longer piece starts as a shorter one does: with the phrase that
    :func:`bgmusic.music.composing.generate.phrases` makes of that seed.

    Args:
        generator: in evaluation mode.
        shape: shape of its phrases.
        bars: length of each piece.
        count: number of pieces.
        seed: seed of the noise.
        binarize: ``ht`` (hard threshold) or ``bs`` (Bernoulli sampling), for a real-valued generator.
        progress: receives the number of phrases generated since the last call.

    Returns:
        Booleans ``(count, channels, bars, steps, pitches)``.

    Raises:
        UserError: there are too many bars; ``binarize`` is neither ``ht`` nor ``bs``; or it is ``bs`` for a
            real-valued composer, which revises bars that it made before.

    """
    check_binarize(binarize)
    check_length(shape, bars, count)
    batches = []
    first = torch.Generator().manual_seed(seed)
    for number, start in enumerate(noises(generator, count, first, batch_of(shape))):
        later = later_draws(seed, number)
        path = _path(start, later)
        if isinstance(generator, Composer):
            if binarize == "bs" and isinstance(generator.neuron, RealValued):
                raise UserError("a real-valued composer generates long pieces with --binarize ht only")
            parts = _overlapping(generator, shape, bars, path, len(start), progress)
        else:
            draws = draws_of(generator, first, seed), draws_of(generator, later, seed)
            parts = _consecutive(generator, shape, bars, path, draws, binarize, progress)
        batches.append(parts[:, :, :bars].cpu().numpy())
    return np.concatenate(batches)


def later_draws(seed: int, number: int) -> torch.Generator:
    """Return the generator of all draws after the first phrases of batch ``number``.

    It is independent of the first phrases' draws, so a piece's beginning does not depend on its length.
    """
    (state,) = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> 1))


def _path(start: Tensor, rng: torch.Generator) -> Iterator[Tensor]:
    return wander(start, lambda: torch.randn(start.shape, generator=rng).to(start.device), STRIDE)


def _whole(bars: int, phrase: int) -> int:
    """Round up to bars that whole windows cover, so that cutting off the rest changes nothing before it."""
    hop = hop_of(phrase)
    return phrase + max(0, -(-(bars - phrase) // hop)) * hop


def _overlapping(
    composer: Composer, shape: RollShape, bars: int, path: Iterator[Tensor], count: int, progress: Progress | None
) -> Tensor:
    length = _whole(bars, shape.bars)
    nothing = torch.zeros(count, shape.channels, length, shape.steps, shape.pitches, dtype=torch.bool)
    free = torch.ones(count, len(shape.track_set), length * shape.beats, dtype=torch.bool)
    return compose(composer, nothing, free, path, progress)


def _consecutive(
    generator: SampleNetwork,
    shape: RollShape,
    bars: int,
    path: Iterator[Tensor],
    draws: tuple[torch.Generator, torch.Generator],
    binarize: str,
    progress: Progress | None,
) -> Tensor:
    parts: list[Tensor] = []
    for _ in range(phrases_needed(generator, shape, bars)):
        noise = next(path)
        parts.append(decide(generator, noise, draws[min(1, len(parts))], binarize).to(torch.bool))
        if progress:
            progress(len(parts[-1]))
    return torch.cat(parts, dim=2)
