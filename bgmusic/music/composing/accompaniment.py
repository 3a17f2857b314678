"""Accompaniments: all other tracks composed to a given one, which stays as it is.

MuseGAN's conditional generator (arXiv 1709.06298, section 4.3) has an encoder of the given track that feeds each of its
layers. A composer needs no second network: what is given enters the same mixer as everything else that is known.
"""

from __future__ import annotations

from pathlib import Path

import torch

from bgmusic.errors import UserError
from bgmusic.gan.generate import Told, noises
from bgmusic.gan.latent import wander
from bgmusic.music.composing.generate import batch_of, load_generator
from bgmusic.music.composing.given import Given
from bgmusic.music.composing.pieces import STRIDE, check_length
from bgmusic.music.composing.windows import compose, window_starts
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape


def load_composer(run: Path) -> tuple[RollShape, Composer]:
    """A run's composer and the shape of its rolls.

    Raises:
        UserError: there is none, or its network can't accompany.

    """
    config, shape, generator = load_generator(run)
    if not isinstance(generator, Composer):
        raise UserError(
            f"{run}: {config.network.kind} has no encoder of a given track: it takes a composer to accompany"
        )
    if len(shape.track_set) < 2:
        raise UserError(f"{run}: it has a single track, and nothing to accompany it with")
    return shape, generator


def phrases_needed(given: Given) -> int:
    """How many windows one accompaniment is made of."""
    return sum(len(window_starts(bars, given.shape.bars)) for _, bars in given.stretches)


def accompany(composer: Composer, given: Given, count: int, seed: int, told: Told | None = None) -> list[list[Roll]]:
    """Compose ``count`` accompaniments: of each a roll for every stretch of bars, the given track in it.

    The noise of window after window goes along a path in latent space, as that of long pieces does. The same seed
    gives the same. ``told`` is told of windows.

    Raises:
        UserError: there would be far too many bars.

    """
    shape, plan = given.shape, composer.plan
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
            free = torch.ones(batch, plan.tracks, channels.shape[1] * plan.beats, dtype=torch.bool)
            free[:, given.track] = False
            stretches.append(compose(composer, channels.expand(batch, -1, -1, -1, -1), free, path, told))
        for number in range(batch):
            channels_of = [stretch[number].numpy() for stretch in stretches]
            made.append([Roll.from_channels(c, shape.track_set, shape.resolution, shape.encoding) for c in channels_of])
    return made
