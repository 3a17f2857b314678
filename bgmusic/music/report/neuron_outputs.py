"""Show the preactivated outputs of a generator's binary neurons next to the phrases they become."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from bgmusic.gan.draws import Draws
from bgmusic.gan.generate import decide
from bgmusic.music.composing.generate import to_rolls
from bgmusic.music.pictures.raster import Rows, used_rows
from bgmusic.music.report.phrase_figure import PhraseFigure, make_figure
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork

_PHRASES = 2
_VISIBLE = 0.1  # smallest preactivated output whose row is drawn


@dataclass(frozen=True)
class NeuronFigures:
    """Figures of preactivated outputs and of the phrase they become."""

    preactivated: PhraseFigure
    binary: PhraseFigure


@torch.no_grad()
def sample_preactivated(
    generator: SampleNetwork, shape: RollShape, seed: int, binarize: str = "ht"
) -> list[tuple[Roll, NDArray[np.float32], Rows]]:
    """Return the first two phrases of a seed with their preactivated outputs.

    Args:
        generator: network with a method ``preactivated``; the result is empty without one.
        shape: shape of its rolls.
        seed: seed of the noise and of the stochastic neurons.
        binarize: ``ht`` or ``bs``, for a real-valued generator.

    Returns:
        For each phrase its roll, the preactivated outputs ``(tracks, bars, steps, pitches)``, and the rows to draw both
        with.

    """
    preactivate = getattr(generator, "preactivated", None)
    if preactivate is None:
        return []
    result = []
    for number in range(_PHRASES):
        draws = Draws(seed, number, 1)
        noise = draws.noise(generator.latent)
        outputs = preactivate(noise).float()[0, : len(shape.track_set)].numpy()
        (roll,) = to_rolls(decide(generator, noise, draws, binarize).bool().numpy(), shape)
        visible = replace(roll, cells=roll.cells | (outputs > _VISIBLE))
        result.append((roll, outputs, used_rows([visible])))
    return result


def neuron_figures(generator: SampleNetwork, shape: RollShape, seed: int, binarize: str = "ht") -> list[NeuronFigures]:
    """Make figures of :func:`sample_preactivated`."""
    return [
        NeuronFigures(
            make_figure(roll, "Preactivated outputs", rows=rows, preactivated=values),
            make_figure(roll, "Binary outputs", rows=rows),
        )
        for roll, values, rows in sample_preactivated(generator, shape, seed, binarize)
    ]
