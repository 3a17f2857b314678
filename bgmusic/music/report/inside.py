"""What a generator's binary neurons decide on: preactivated outputs beside the phrases that they become."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from bgmusic.music.composing.generate import to_rolls
from bgmusic.music.pictures.raster import Rows, used_rows
from bgmusic.music.report.shown import Shown, show
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import bernoulli_sample, hard_threshold
from bgmusic.training.protocols import SampleNetwork

_SHOWN = 2
_VISIBLE = 0.1  # a preactivated output that a picture should not leave out


@dataclass(frozen=True)
class Inside:
    """Preactivated outputs, and the phrase that they became."""

    before: Shown
    after: Shown


@torch.no_grad()
def decisions(
    generator: SampleNetwork, shape: RollShape, seed: int, binarize: str = "ht"
) -> list[tuple[Roll, NDArray[np.float32], Rows]]:
    """A few phrases, each with the preactivated outputs ``(tracks, bars, steps, pitches)`` that it was decided on.

    And the rows that show both. Of a generator without ``preactivated`` there are none.
    """
    before = getattr(generator, "preactivated", None)
    if before is None:
        return []
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(_SHOWN, generator.latent, generator=rng)
    values = before(noise).float()[:, : len(shape.track_set)].numpy()
    phrases = generator(noise, generator=rng)
    phrases = bernoulli_sample(phrases, rng) if binarize == "bs" else hard_threshold(phrases)
    rolls = to_rolls(phrases.bool().numpy(), shape)
    found = []
    for roll, outputs in zip(rolls, values, strict=True):
        seen = replace(roll, cells=roll.cells | (outputs > _VISIBLE))
        found.append((roll, outputs, used_rows([seen])))
    return found


def preactivated(generator: SampleNetwork, shape: RollShape, seed: int, binarize: str = "ht") -> list[Inside]:
    """``decisions`` for a page."""
    return [
        Inside(
            show(roll, "Preactivated outputs", rows=rows, preactivated=values),
            show(roll, "What the neurons decided", rows=rows),
        )
        for roll, values, rows in decisions(generator, shape, seed, binarize)
    ]
