"""Sample a trained generator. The same seed and number give the same sample (:mod:`bgmusic.gan.draws`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.gan.draws import Draws, batches
from bgmusic.neurons import bernoulli_sample, hard_threshold
from bgmusic.training.protocols import SampleNetwork

BATCH = 128
"""Digits at a time: larger batches are hardly faster, and a single digit is computed in a whole batch."""

Progress = Callable[[int], None]
"""Progress callback: number of samples produced since the last call."""


def device_of(generator: SampleNetwork) -> torch.device:
    """Return the device of a generator's weights."""
    return next(generator.parameters()).device


def least_of(generator: SampleNetwork) -> int | None:
    """Return the fewest samples of a batch that come out as in a full one; None: a full batch."""
    return generator.least if device_of(generator).type == "cpu" else None


def check_binarize(binarize: str) -> None:
    """Check the name of a binarization.

    Raises:
        UserError: it is neither ``ht`` nor ``bs``.

    """
    if binarize not in ("ht", "bs"):
        raise UserError(f"binarize is ht or bs, not {binarize!r}")


@torch.no_grad()
def decide(generator: SampleNetwork, noise: Tensor, draws: Draws, binarize: str) -> Tensor:
    """Generate binary samples from noise.

    Args:
        generator: in evaluation mode.
        noise: ``(batch, latent)``, on any device.
        draws: of the same samples, for stochastic neurons and ``bs``.
        binarize: as in :func:`sample`.

    Returns:
        Zeros and ones ``(batch, ...)`` on the generator's device.

    """
    device = device_of(generator)

    def thresholds(shape: tuple[int, ...]) -> Tensor:
        return draws.thresholds(shape).to(device)

    shape = generator.threshold_shape
    noise = noise.to(device)
    samples = generator(noise) if shape is None else generator(noise, thresholds=thresholds(shape))
    # Binary samples need no Bernoulli draws.
    if binarize == "bs" and not ((samples == 0) | (samples == 1)).all():
        return bernoulli_sample(samples, thresholds=thresholds(tuple(samples.shape[1:])))
    return hard_threshold(samples)


def sample(
    generator: SampleNetwork,
    count: int,
    seed: int,
    binarize: str = "ht",
    batch: int = BATCH,
    progress: Progress | None = None,
    first: int = 0,
) -> npt.NDArray[np.uint8]:
    """Generate ``count`` samples: uint8 ``(count, ...)``, zeros and ones.

    The generator samples in evaluation mode and is then set back to its own mode. A sample depends on the seed and its
    number alone, if ``batch`` stays the same. Another size of batch changes the last bits of some networks' sums (see
    ``SampleNetwork.least``), so that one decision in many millions may differ.

    Args:
        generator: the network.
        count: number of samples, 1 or more.
        seed: seed of the noise and of stochastic neurons.
        binarize: for a real-valued generator, ``ht`` (hard threshold) or ``bs`` (Bernoulli sampling).
        batch: samples at a time; see :func:`bgmusic.gan.draws.batches`.
        progress: receives the number of samples produced since the last call.
        first: number of the first sample, from 0.

    Raises:
        UserError: ``binarize`` is unknown, or ``count`` or ``first`` is out of range.

    """
    check_binarize(binarize)
    each = batches(seed, first, count, batch, least_of(generator))
    mode = generator.training
    generator.eval()
    parts = []
    for draws, wanted in each:
        made = decide(generator, draws.noise(generator.latent), draws, binarize)[wanted]
        parts.append(made.to(torch.uint8).cpu())
        if progress:
            progress(len(made))
    generator.train(mode)
    return torch.cat(parts).numpy()
