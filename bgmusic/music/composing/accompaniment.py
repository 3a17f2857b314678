"""Compose all other tracks to a given track.

MuseGAN's conditional generator (arXiv 1709.06298, section 4.3) encodes the given track and feeds it to each layer. A
composer needs no second network: the given track is one more known input of the same mixer.
"""

from __future__ import annotations

from pathlib import Path

import torch

from bgmusic.errors import UserError
from bgmusic.gan.generate import Progress, noises
from bgmusic.gan.latent import wander
from bgmusic.music.composing.generate import batch_of
from bgmusic.music.composing.given import Given
from bgmusic.music.composing.load import load_generator
from bgmusic.music.composing.pieces import STRIDE, check_length
from bgmusic.music.composing.windows import compose, window_starts
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork


def load_composer(run: Path) -> tuple[RollShape, Composer]:
    """Load a run's composer and the shape of its rolls.

    Raises:
        UserError: there is none, or its network can't accompany.

    """
    _, shape, generator = load_generator(run)
    return shape, require_composer(generator, shape, str(run))


def require_composer(generator: SampleNetwork, shape: RollShape, name: str) -> Composer:
    """Check that a generator can accompany: a composer of two or more tracks.

    Raises:
        UserError: it can't; the message starts with ``name``.

    """
    if not isinstance(generator, Composer):
        raise UserError(f"{name}: only a composer can accompany (network.kind: composer), not BinaryMuseGAN's networks")
    if len(shape.track_set) < 2:
        raise UserError(f"{name}: it has a single track, so there is no other track to compose")
    return generator


def phrases_needed(given: Given) -> int:
    """Return the number of windows of one accompaniment."""
    return sum(len(window_starts(bars, given.shape.bars)) for _, bars in given.stretches)


def accompany(
    composer: Composer, given: Given, count: int, seed: int, progress: Progress | None = None
) -> list[list[Roll]]:
    """Compose ``count`` accompaniments. The same seed gives the same ones.

    The noise of consecutive windows follows a path through latent space, as in long pieces.

    Args:
        composer: in evaluation mode.
        given: the given track.
        count: number of accompaniments.
        seed: seed of the noise.
        progress: receives the number of windows composed since the last call.

    Returns:
        For each accompaniment one roll for every stretch of bars, the given track in it.

    Raises:
        UserError: there are too many bars.

    """
    shape = given.shape
    check_length(shape, given.bars, count)
    rng = torch.Generator().manual_seed(seed)
    made: list[list[Roll]] = []
    size = batch_of(shape)
    for first in range(0, count, size):
        batch = min(size, count - first)

        def draw(batch: int = batch) -> torch.Tensor:
            return next(noises(composer, batch, rng, batch))

        path = wander(draw(), draw, STRIDE)
        stretches = []
        for channels in given.channels():
            free = torch.ones(batch, len(shape.track_set), channels.shape[1] * shape.beats, dtype=torch.bool)
            free[:, given.track] = False
            stretches.append(compose(composer, channels.expand(batch, -1, -1, -1, -1), free, path, progress))
        for number in range(batch):
            parts = [stretch[number].numpy() for stretch in stretches]
            form = (shape.track_set, shape.resolution, shape.encoding)
            timed = zip(parts, given.metres or [None] * len(parts), given.tempos(), strict=True)
            made.append([Roll.from_channels(part, *form, metre, tempos) for part, metre, tempos in timed])
    return made
