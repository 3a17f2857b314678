"""Phrases from a trained generator: the same seed gives the same phrases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.gan.roles import SampleNetwork
from bgmusic.gan.runs import fill, read_generator
from bgmusic.gan.sampling import sample
from bgmusic.music.config import PianorollConfig, RollShape
from bgmusic.music.networks.build import make_generator
from bgmusic.music.roll import Roll

KIND = "music"
_CELLS = 1 << 22  # made at a time: a generator needs some 300 bytes for each


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
    generator: SampleNetwork, shape: RollShape, count: int, seed: int, binarize: str = "ht"
) -> NDArray[np.bool_]:
    """Generate phrases: boolean ``(count, channels, bars, steps, pitches)``, channels as ``Roll.channels`` has them.

    Raises:
        UserError: ``binarize`` is neither ``ht`` nor ``bs``.

    """
    batch = max(1, _CELLS // shape.cells)
    return sample(generator, count, seed, binarize, batch).view(np.bool_)


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

    def joined(planes: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        between = [part for plane in planes for part in (plane, silence)]
        return np.concatenate(between[:-1], axis=1)

    onsets = [roll.onsets for roll in rolls if roll.onsets is not None]
    cells = joined([roll.cells for roll in rolls])
    return Roll(first.track_set, first.resolution, cells, joined(onsets) if onsets else None)


def describe(shape: RollShape) -> dict[str, Any]:
    """What a reader of generated arrays needs to know, as plain values for JSON."""
    return {**shape.model_dump(mode="json"), "axes": ["phrase", "track", "bar", "step", "pitch"]}
