"""Compose all other tracks to a given track.

MuseGAN's conditional generator (arXiv 1709.06298, section 4.3) encodes the given track and feeds it to each layer. A
composer needs no second network: the given track is one more known input of the same mixer.
"""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.gan.draws import batches
from bgmusic.gan.generate import Progress, least_of
from bgmusic.music.composing.generate import batch_of
from bgmusic.music.composing.given import Given
from bgmusic.music.composing.load import load_generator
from bgmusic.music.composing.pieces import check_length, noise_path, report_wanted
from bgmusic.music.composing.windows import compose, window_starts
from bgmusic.music.composing.workers import in_parts
from bgmusic.music.networks.composing_network import ComposingNetwork
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork


def load_composer(run: Path, drafts: int | None = None) -> tuple[RollShape, ComposingNetwork]:
    """Load a run's composer and the shape of its rolls, see :func:`load_generator`.

    Raises:
        UserError: there is none, or its network can't accompany.

    """
    _, shape, generator = load_generator(run, drafts)
    return shape, require_composer(generator, shape, str(run))


def require_composer(generator: SampleNetwork, shape: RollShape, name: str) -> ComposingNetwork:
    """Check that a generator can accompany: a composer of two or more tracks.

    Raises:
        UserError: it can't; the message starts with ``name``.

    """
    if not isinstance(generator, ComposingNetwork):
        kinds = "network.kind: causal or composer"
        raise UserError(f"{name}: only a composer can accompany ({kinds}), not a GAN's generator")
    if len(shape.track_set) < 2:
        raise UserError(f"{name}: it has a single track, so there is no other track to compose")
    return generator


def phrases_needed(given: Given) -> int:
    """Return the number of windows of one accompaniment."""
    return sum(len(window_starts(bars, given.shape.bars)) for _, bars in given.stretches)


def accompany(
    composer: ComposingNetwork,
    given: Given,
    count: int,
    seed: int,
    progress: Progress | None = None,
    *,
    first: int = 0,
    jobs: int = 1,
) -> list[list[Roll]]:
    """Compose ``count`` accompaniments. Each depends on the seed and its number alone, not on the other arguments.

    The noise of consecutive windows follows a path through latent space, as in long pieces.

    Args:
        composer: in evaluation mode.
        given: the given track.
        count: number of accompaniments.
        seed: seed of the noise.
        progress: receives the number of windows composed since the last call.
        first: number of the first accompaniment, from 0.
        jobs: number of processes.

    Returns:
        For each accompaniment one roll for every stretch of bars, the given track in it.

    Raises:
        UserError: there are too many bars, or an argument is out of range.

    """
    shape = given.shape
    check_length(shape, given.bars, count)
    task = partial(_accompaniments, given=given, seed=seed)
    parts = in_parts(composer, task, first, count, batch_of(composer, shape), jobs, progress)
    form = (shape.track_set, shape.resolution, shape.encoding)
    made = []
    for stretches in itertools.chain.from_iterable(parts):
        timed = zip(stretches, given.metres or [None] * len(stretches), given.tempos(), strict=True)
        made.append([Roll.from_channels(channels, *form, metre, tempos) for channels, metre, tempos in timed])
    return made


def _accompaniments(
    generator: SampleNetwork, first: int, count: int, progress: Progress, *, given: Given, seed: int
) -> list[list[NDArray[np.bool_]]]:
    """Return the channels of each stretch of bars, for every accompaniment."""
    composer = require_composer(generator, given.shape, "accompany")
    made: list[list[NDArray[np.bool_]]] = []
    for draws, wanted in batches(seed, first, count, batch_of(composer, given.shape), least_of(composer)):
        path = noise_path(draws, composer.latent)
        advance = partial(report_wanted, progress, wanted)
        stretches = []
        for channels in given.channels():
            units = (draws.count, len(given.shape.track_set), channels.shape[1] * given.shape.beats)
            free = torch.ones(units, dtype=torch.bool)
            free[:, given.track] = False
            alone = channels.expand(draws.count, -1, -1, -1, -1)
            stretches.append(compose(composer, alone, free, path, advance)[wanted].numpy())
        made += [list(each) for each in zip(*stretches, strict=True)]
    return made
