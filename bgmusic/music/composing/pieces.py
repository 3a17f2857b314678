"""Pieces of any length: phrases along a path through latent space, strung together; and phrases between two others.

A path goes on great circles from one random waypoint to the next, so phrases that follow each other are near each
other. A composer joins them by composing each with the last half of the one before in sight (``windows``); other
generators make one phrase after another.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.gan.generate import Told, check_binarize, decide, device_of, draws_of, noises
from bgmusic.gan.latent import great_circle, wander
from bgmusic.music.composing.generate import batch_of
from bgmusic.music.composing.morphing import morph
from bgmusic.music.composing.windows import compose, hop_of, window_starts
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import RealValued
from bgmusic.training.protocols import SampleNetwork

MAX_BARS = 1024  # of a piece; half an hour of 4/4 at 120 beats a minute
_MAX_CELLS = 1 << 30  # of all pieces together; 1 GiB of booleans
STRIDE = 4  # phrases from one waypoint to the next


def check_length(shape: RollShape, bars: int, count: int) -> None:
    """Make sure that so many pieces of so many bars can be made and held.

    Raises:
        UserError: they can't.

    """
    if not 1 <= bars <= MAX_BARS:
        raise UserError(f"a piece has 1 to {MAX_BARS} bars, not {bars}")
    cells = count * bars * (shape.cells // shape.bars)
    if cells > _MAX_CELLS:
        raise UserError(f"{count:,} times {bars} bars are {cells:,} cells, more than {_MAX_CELLS:,}: fewer, or shorter")


def phrases_needed(generator: SampleNetwork, shape: RollShape, bars: int) -> int:
    """How many phrases a piece of ``bars`` bars is made of."""
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
    told: Told | None = None,
) -> NDArray[np.bool_]:
    """Generate pieces: boolean ``(count, channels, bars, steps, pitches)``, cut off after so many bars.

    The same seed gives the same pieces, and a longer one begins as a shorter one does: with the phrase that
    ``sampling.phrases`` makes of that seed. ``told`` is told of phrases.

    Raises:
        UserError: there would be too many bars, ``binarize`` is neither ``ht`` nor ``bs``, or it is ``bs`` for a
            real-valued composer, which revises bars that it made before.

    """
    check_binarize(binarize)
    check_length(shape, bars, count)
    made = []
    first = torch.Generator().manual_seed(seed)
    for number, start in enumerate(noises(generator, count, first, batch_of(shape))):
        later = _later(seed, number)
        path = _path(start, later)
        if isinstance(generator, Composer):
            if binarize == "bs" and isinstance(generator.neuron, RealValued):
                raise UserError("a real-valued composer makes long pieces by --binarize ht alone")
            parts = _joined(generator, shape, bars, path, len(start), told)
        else:
            draws = draws_of(generator, first, seed), draws_of(generator, later, seed)
            parts = _in_turn(generator, shape, bars, path, draws, binarize, told)
        made.append(parts[:, :, :bars].cpu().numpy())
    return np.concatenate(made)


def _later(seed: int, batch: int) -> torch.Generator:
    """What is drawn behind the first phrases of a batch, apart from them and from the other batches'.

    So a piece's beginning does not depend on its length.
    """
    (state,) = np.random.SeedSequence([seed, batch]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> 1))


def _path(start: Tensor, rng: torch.Generator) -> Iterator[Tensor]:
    return wander(start, lambda: torch.randn(start.shape, generator=rng).to(start.device), STRIDE)


def _whole(bars: int, phrase: int) -> int:
    """Bars that whole windows cover: what is cut off later does not change what stays."""
    hop = hop_of(phrase)
    return phrase + max(0, -(-(bars - phrase) // hop)) * hop


def _joined(
    composer: Composer, shape: RollShape, bars: int, path: Iterator[Tensor], count: int, told: Told | None
) -> Tensor:
    plan, length = composer.plan, _whole(bars, shape.bars)
    nothing = torch.zeros(count, plan.channels, length, plan.steps, plan.pitches, dtype=torch.bool)
    free = torch.ones(count, plan.tracks, length * plan.beats, dtype=torch.bool)
    return compose(composer, nothing, free, path, told)


def _in_turn(
    generator: SampleNetwork,
    shape: RollShape,
    bars: int,
    path: Iterator[Tensor],
    draws: tuple[torch.Generator, torch.Generator],
    binarize: str,
    told: Told | None,
) -> Tensor:
    parts: list[Tensor] = []
    for _ in range(phrases_needed(generator, shape, bars)):
        noise = next(path)
        parts.append(decide(generator, noise, draws[min(1, len(parts))], binarize).to(torch.bool))
        if told:
            told(len(parts[-1]))
    return torch.cat(parts, dim=2)


def between(
    generator: SampleNetwork,
    shape: RollShape,
    seeds: tuple[int, int],
    steps: int,
    binarize: str = "ht",
    told: Told | None = None,
) -> NDArray[np.bool_]:
    """Phrases at equal steps from one seed's to another's, both included.

    Boolean ``(steps, channels, bars, steps, pitches)``. The first is the phrase that ``sampling.phrases`` makes of the
    first seed. A composer mixes the music itself (:func:`morph`), and ends with the phrase of the second seed. Other
    networks go along the great circle from one seed's noise to the other's; their stochastic neurons (and ``bs``) draw
    by the first seed all the way, so that nothing but the noise differs from phrase to phrase: where nothing is drawn
    the last phrase is the second seed's.

    Raises:
        UserError: ``binarize`` is neither ``ht`` nor ``bs``.

    """
    check_binarize(binarize)
    start, end = (next(noises(generator, 1, torch.Generator().manual_seed(seed))) for seed in seeds)
    made = []
    for phrase in _way(generator, start, end, seeds, steps, binarize):
        made.append(phrase.to(torch.bool).cpu())
        if told:
            told(1)
    return torch.cat(made).numpy()


def _way(
    generator: SampleNetwork, start: Tensor, end: Tensor, seeds: tuple[int, int], steps: int, binarize: str
) -> Iterator[Tensor]:
    def phrase(noise: Tensor) -> Tensor:
        rng = torch.Generator().manual_seed(seeds[0])
        torch.randn(1, generator.latent, generator=rng)  # the noise itself; what follows are the neurons' draws
        return decide(generator, noise.to(device_of(generator)), draws_of(generator, rng, seeds[0]), binarize)

    if isinstance(generator, Composer):
        return morph(generator, phrase(start), phrase(end), steps, _later(*seeds))
    return map(phrase, great_circle(start, end, steps))


def lines(roll: Roll, bars: int) -> list[Roll]:
    """A long roll cut into lines of ``bars`` bars, as on paper; the last is filled up with silence."""

    def cut(plane: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        filled = np.pad(plane, ((0, 0), (0, -plane.shape[1] % bars), (0, 0), (0, 0)))
        return np.split(filled, filled.shape[1] // bars, axis=1)

    onsets = [None] * -(-roll.bars // bars) if roll.onsets is None else cut(roll.onsets)
    return [
        Roll(roll.track_set, roll.resolution, cells, onset)
        for cells, onset in zip(cut(roll.cells), onsets, strict=True)
    ]
