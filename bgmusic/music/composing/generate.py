"""Phrases from a trained generator: the same seed gives the same phrases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.gan.generate import Told, sample
from bgmusic.music.networks.build import make_generator
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork
from bgmusic.training.weights import fill, read_generator

KIND = "music"
_CELLS = 1 << 22  # made at a time: a generator needs some 300 bytes for each
_AT_ONCE = 64  # phrases: no faster if they are more, and someone may be watching how it goes on


def load_generator(run: Path) -> tuple[PianorollConfig, RollShape, SampleNetwork]:
    """A run's sampling generator, in evaluation mode, and the shape of its rolls.

    Raises:
        UserError: there is none, or its file is corrupt or does not fit its config.

    """
    path = run / "generator.safetensors"
    config, weights = read_generator(path, KIND, PianorollConfig)
    shape = shape_of(config, str(path))
    with torch.device("meta"):
        generator = make_generator(config, shape)
    fill(generator, weights, str(path))
    return config, shape, generator


def shape_of(config: PianorollConfig, source: str) -> RollShape:
    """The shape of a run's rolls, which its config must tell.

    Raises:
        UserError: it does not.

    """
    if config.rolls is None:
        raise UserError(f"{source}: its config does not tell the shape of its rolls")
    return config.rolls


def phrases(
    generator: SampleNetwork, shape: RollShape, count: int, seed: int, binarize: str = "ht", told: Told | None = None
) -> NDArray[np.bool_]:
    """Generate phrases: boolean ``(count, channels, bars, steps, pitches)``, channels as ``Roll.channels`` has them.

    Raises:
        UserError: ``binarize`` is neither ``ht`` nor ``bs``.

    """
    return sample(generator, count, seed, binarize, batch_of(shape), told).view(np.bool_)


def batch_of(shape: RollShape) -> int:
    """How many phrases to make at a time."""
    return max(1, min(_AT_ONCE, _CELLS // shape.cells))


def to_rolls(channels: NDArray[np.bool_], shape: RollShape) -> list[Roll]:
    """Generated phrases as rolls."""
    return [Roll.from_channels(phrase, shape.track_set, shape.resolution, shape.encoding) for phrase in channels]


def one_after_another(rolls: list[Roll]) -> Roll:
    """Phrases of one shape as one roll, a silent bar between them.

    Raises:
        UserError: there are none.

    """
    if not rolls:
        raise UserError("no phrases to put one after another")
    first = rolls[0]
    silence = np.zeros_like(first.cells[:, :1])
    silent = Roll(first.track_set, first.resolution, silence, None if first.onsets is None else silence)
    return joined([part for roll in rolls for part in (roll, silent)][:-1])


def joined(rolls: Sequence[Roll]) -> Roll:
    """Rolls of one track set and encoding, one at least, as one roll, each following at once on the one before."""
    onsets = [roll.onsets for roll in rolls if roll.onsets is not None]
    cells = np.concatenate([roll.cells for roll in rolls], axis=1)
    return Roll(rolls[0].track_set, rolls[0].resolution, cells, np.concatenate(onsets, axis=1) if onsets else None)


def describe(shape: RollShape) -> dict[str, Any]:
    """What a reader of generated arrays needs to know, as plain values for JSON."""
    return {**shape.model_dump(mode="json"), "axes": ["phrase", "track", "bar", "step", "pitch"]}
