"""Generate pieces of any length: phrases along a path through latent space, joined.

The path follows great circles from one random waypoint to the next, so consecutive phrases have similar noise. A
composer sees the last half of each phrase when it composes the next (:mod:`bgmusic.music.composing.windows`); other
generators make one phrase after another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.gan.draws import Draws, batches
from bgmusic.gan.generate import Progress, check_binarize, decide, least_of
from bgmusic.gan.latent import wander
from bgmusic.music.composing.endings import require_ending
from bgmusic.music.composing.generate import batch_of
from bgmusic.music.composing.windows import compose, whole_length, window_starts
from bgmusic.music.composing.workers import in_parts
from bgmusic.music.networks.composing_network import ComposingNetwork, composes_under_plans
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
    if isinstance(generator, ComposingNetwork):
        return len(window_starts(whole_length(bars, shape.bars), shape.bars))
    return -(-bars // shape.bars)


def pieces(
    generator: SampleNetwork,
    shape: RollShape,
    bars: int,
    count: int,
    seed: int,
    binarize: str = "ht",
    progress: Progress | None = None,
    *,
    first: int = 0,
    jobs: int = 1,
    ending: bool = False,
) -> NDArray[np.bool_]:
    """Generate pieces of ``bars`` bars. Each depends on the seed and its number alone, not on the other arguments.

    A longer piece starts as a shorter one does: with the phrase of that seed and number
    (:func:`bgmusic.music.composing.generate.phrases`).

    The other arguments are those of :func:`~bgmusic.music.composing.generate.phrases`.

    Args:
        bars: length of each piece.
        count: number of pieces.
        first: number of the first piece, from 0.
        ending: whether the last bar ends the piece, see :mod:`.endings`; for composers that obey plans.

    Returns:
        Booleans ``(count, channels, bars, steps, pitches)``.

    Raises:
        UserError: there are too many bars, or too few for an ending; another argument is out of range; ``binarize``
            is ``bs`` for a real-valued composer, which revises bars that it made before; or the generator makes no
            endings.

    """
    check_binarize(binarize)
    check_length(shape, bars, count)
    if binarize == "bs" and isinstance(generator, ComposingNetwork) and isinstance(generator.neuron, RealValued):
        raise UserError("a real-valued composer generates long pieces with --binarize ht only")
    if ending:
        require_ending(bars, shape)
        if not composes_under_plans(generator):
            raise UserError("this generator composes without plans, and so without endings")
    task = partial(_pieces, shape=shape, bars=bars, seed=seed, binarize=binarize, last=bars - 1 if ending else None)
    return np.concatenate(in_parts(generator, task, first, count, batch_of(generator, shape), jobs, progress))


def _pieces(
    generator: SampleNetwork,
    first: int,
    count: int,
    progress: Progress,
    *,
    shape: RollShape,
    bars: int,
    seed: int,
    binarize: str,
    last: int | None,
) -> NDArray[np.bool_]:
    made = []
    for draws, wanted in batches(seed, first, count, batch_of(generator, shape), least_of(generator)):
        advance = partial(report_wanted, progress, wanted)
        if isinstance(generator, ComposingNetwork):
            parts = _overlapping(generator, shape, bars, draws, advance, last)
        else:
            parts = _consecutive(generator, shape, bars, draws, binarize, advance)
        made.append(parts[wanted, :, :bars].cpu().numpy())
    return np.concatenate(made)


def report_wanted(progress: Progress, wanted: slice, done: int) -> None:
    """Report the wanted samples of a batch, which has others too."""
    progress(wanted.stop - wanted.start)


def noise_path(draws: Draws, latent: int) -> Iterator[Tensor]:
    """Yield noise ``(batch, latent)`` of consecutive phrases: the samples' own, then along a path from there."""
    parts = itertools.count(1)
    return wander(draws.noise(latent), lambda: draws.at(next(parts)).noise(latent), STRIDE)


def _overlapping(
    composer: ComposingNetwork, shape: RollShape, bars: int, draws: Draws, progress: Progress, last: int | None
) -> Tensor:
    length = whole_length(bars, shape.bars)
    nothing = torch.zeros(draws.count, shape.channels, length, shape.steps, shape.pitches, dtype=torch.bool)
    free = torch.ones(draws.count, len(shape.track_set), length * shape.beats, dtype=torch.bool)
    return compose(composer, nothing, free, noise_path(draws, composer.latent), progress, last=last)


def _consecutive(
    generator: SampleNetwork, shape: RollShape, bars: int, draws: Draws, binarize: str, progress: Progress
) -> Tensor:
    parts: list[Tensor] = []
    path = noise_path(draws, generator.latent)
    for number in range(phrases_needed(generator, shape, bars)):
        parts.append(decide(generator, next(path), draws.at(number), binarize).to(torch.bool))
        progress(draws.count)
    return torch.cat(parts, dim=2)
