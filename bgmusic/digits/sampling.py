"""Digits from a trained generator: the same seed gives the same digits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bgmusic.digits.config import DigitsConfig
from bgmusic.digits.networks import Generator
from bgmusic.errors import UserError
from bgmusic.files import read_npz
from bgmusic.gan.game import SampleNetwork
from bgmusic.gan.runs import fill, read_generator
from bgmusic.neurons import bernoulli_sample, hard_threshold

KIND = "digits"
_BATCH = 1000


def load_generator(run: Path) -> tuple[DigitsConfig, Generator]:
    """A run's sampling generator, in evaluation mode.

    Raises:
        UserError: there is none, or its file is corrupt or does not fit its config.

    """
    path = run / "generator.safetensors"
    config, weights = read_generator(path, KIND, DigitsConfig)
    with torch.device("meta"):
        generator = Generator(config)
    fill(generator, weights, str(path))
    return config, generator


def _noises(generator: SampleNetwork, count: int, rng: torch.Generator, device: torch.device) -> Iterator[Tensor]:
    for start in range(0, count, _BATCH):
        yield torch.randn(min(_BATCH, count - start), generator.latent, generator=rng).to(device)


def _device(generator: SampleNetwork) -> torch.device:
    return next(generator.parameters()).device


@torch.no_grad()
def sample(generator: SampleNetwork, count: int, seed: int, binarize: str = "ht") -> npt.NDArray[np.uint8]:
    """Generate digits: uint8 ``(count, 28, 28)``, zeros and ones.

    A real-valued generator is binarized by ``"ht"`` (hard threshold) or ``"bs"`` (Bernoulli sampling);
    a binary one decides for itself. The generator samples in evaluation mode and is left in its own.

    Raises:
        UserError: ``binarize`` is neither.

    """
    if binarize not in ("ht", "bs"):
        raise UserError(f"binarize is ht or bs, not {binarize!r}")
    device, mode = _device(generator), generator.training
    rng = torch.Generator().manual_seed(seed)
    draws = rng if device.type == "cpu" else torch.Generator(device).manual_seed(seed)
    generator.eval()
    parts = []
    for noise in _noises(generator, count, rng, device):
        digits = generator(noise, generator=draws)
        # On what a binary neuron decided, a threshold changes nothing.
        digits = bernoulli_sample(digits, draws) if binarize == "bs" else hard_threshold(digits)
        parts.append(digits.to(torch.uint8).cpu())
    generator.train(mode)
    return torch.cat(parts).numpy()


@torch.no_grad()
def preactivated(generator: Generator, count: int, seed: int) -> npt.NDArray[Any]:
    """Preactivated outputs, float32 ``(count, 28, 28)``, of the same noise as :func:`sample` for a DBN."""
    device, mode = _device(generator), generator.training
    rng = torch.Generator().manual_seed(seed)
    generator.eval()
    parts = [generator.preactivated(noise).float().cpu() for noise in _noises(generator, count, rng, device)]
    generator.train(mode)
    return torch.cat(parts).numpy()


def read_samples(path: Path) -> npt.NDArray[np.uint8]:
    """Images from an npz with the key ``samples``: uint8 ``(N, 28, 28)`` of zeros and ones.

    Raises:
        UserError: it is no such file; nothing in it can run code.

    """
    samples = read_npz(path, ["samples"])["samples"]
    if samples.ndim != 3 or samples.shape[1:] != (28, 28) or not len(samples) >= 1 or samples.dtype.kind not in "bu":
        raise UserError(f"{path}: samples are {samples.dtype} {samples.shape}, not uint8 (N, 28, 28)")
    if samples.max() > 1:
        raise UserError(f"{path}: samples hold more than zeros and ones")
    return samples.astype(np.uint8)
