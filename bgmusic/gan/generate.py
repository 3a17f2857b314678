"""Sample a trained generator. The same seed gives the same samples."""

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
"""Progress callback: number of samples produced since the last call."""


def device_of(generator: SampleNetwork) -> torch.device:
    """Return the device of a generator's weights."""
    return next(generator.parameters()).device


def noises(generator: SampleNetwork, count: int, rng: torch.Generator, batch: int = BATCH) -> Iterator[Tensor]:
    """Yield noise for ``count`` samples in batches ``(batch, latent)``, on the generator's device."""
    for start in range(0, count, batch):
        yield torch.randn(min(batch, count - start), generator.latent, generator=rng).to(device_of(generator))


def check_binarize(binarize: str) -> None:
    """Check the name of a binarization.

    Raises:
        UserError: it is neither ``ht`` nor ``bs``.

    """
    if binarize not in ("ht", "bs"):
        raise UserError(f"binarize is ht or bs, not {binarize!r}")


def draws_of(generator: SampleNetwork, rng: torch.Generator, seed: int) -> torch.Generator:
    """Return the random generator for a network's neurons: ``rng`` on the CPU, else a seeded one of the device."""
    device = device_of(generator)
    return rng if device.type == "cpu" else torch.Generator(device).manual_seed(seed)


@torch.no_grad()
def decide(generator: SampleNetwork, noise: Tensor, draws: torch.Generator, binarize: str) -> Tensor:
    """Generate binary samples from noise ``(batch, latent)``. See :func:`sample`."""
    samples = generator(noise, generator=draws)
    # Binary samples need no Bernoulli draws, and drawing would change the samples that follow.
    if binarize == "bs" and not ((samples == 0) | (samples == 1)).all():
        return bernoulli_sample(samples, draws)
    return hard_threshold(samples)


def sample(
    generator: SampleNetwork,
    count: int,
    seed: int,
    binarize: str = "ht",
    batch: int = BATCH,
    progress: Progress | None = None,
) -> npt.NDArray[np.uint8]:
    """Generate ``count`` samples: uint8 ``(count, ...)``, zeros and ones.

    The generator samples in evaluation mode and is then set back to its own mode.

    Args:
        generator: the network.
        count: number of samples, 1 or more.
        seed: seed of the noise and of stochastic neurons.
        binarize: for a real-valued generator, ``ht`` (hard threshold) or ``bs`` (Bernoulli sampling).
        batch: samples at a time.
        progress: receives the number of samples produced since the last call.

    Raises:
        UserError: ``binarize`` is unknown, or ``count`` is below 1.

    """
    check_binarize(binarize)
    if count < 1:
        raise UserError(f"the number of samples is 1 or more, not {count}")
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
