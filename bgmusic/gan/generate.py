"""Samples of a trained generator: the same seed gives the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.neurons import bernoulli_sample, hard_threshold
from bgmusic.training.protocols import SampleNetwork

BATCH = 1000

Progress = Callable[[int], None]
"""Progress how many more samples are made, so that someone who waits can be progress."""


def device_of(generator: SampleNetwork) -> torch.device:
    """Where a generator's weights are."""
    return next(generator.parameters()).device


def noises(generator: SampleNetwork, count: int, rng: torch.Generator, batch: int = BATCH) -> Iterator[Tensor]:
    """Noise for ``count`` samples in batches ``(batch, latent)``, on the generator's device."""
    for start in range(0, count, batch):
        yield torch.randn(min(batch, count - start), generator.latent, generator=rng).to(device_of(generator))


def check_binarize(binarize: str) -> None:
    """Make sure that there is this way to binarize.

    Raises:
        UserError: it is neither ``ht`` nor ``bs``.

    """
    if binarize not in ("ht", "bs"):
        raise UserError(f"binarize is ht or bs, not {binarize!r}")


def draws_of(generator: SampleNetwork, rng: torch.Generator, seed: int) -> torch.Generator:
    """What a generator draws from while it samples: ``rng`` on the CPU, on another device one of that device."""
    device = device_of(generator)
    return rng if device.type == "cpu" else torch.Generator(device).manual_seed(seed)


@torch.no_grad()
def decide(generator: SampleNetwork, noise: Tensor, draws: torch.Generator, binarize: str) -> Tensor:
    """Samples of noise ``(batch, latent)``: zeros and ones, of whatever neuron. See :func:`sample`."""
    samples = generator(noise, generator=draws)
    # On what a binary neuron decided nothing would change, but drawing would: the next samples.
    if binarize == "bs" and not ((samples == 0) | (samples == 1)).all():
        return bernoulli_sample(samples, draws)
    return hard_threshold(samples)


def sample(
    generator: SampleNetwork, count: int, seed: int, binarize: str = "ht", batch: int = BATCH, progress: Progress | None = None
) -> npt.NDArray[np.uint8]:
    """Generate samples: uint8 ``(count, ...)``, zeros and ones.

    A real-valued generator is binarized by ``"ht"`` (hard threshold) or ``"bs"`` (Bernoulli sampling);
    a binary one decides for itself. The generator samples in evaluation mode, ``batch`` samples at a time, and is
    left in its own mode.

    Raises:
        UserError: ``binarize`` is neither.

    """
    check_binarize(binarize)
    mode = generator.training
    rng = torch.Generator().manual_seed(seed)
    draws = draws_of(generator, rng, seed)
    generator.eval()
    parts = []
    for noise in noises(generator, count, rng, batch):
        parts.append(decide(generator, noise, draws, binarize).to(torch.uint8).cpu())
        if progress:
            progress(len(noise))
    generator.train(mode)
    return torch.cat(parts).numpy()
