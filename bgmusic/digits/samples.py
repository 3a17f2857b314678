"""Sample digits from a trained generator: the same seed gives the same digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bgmusic.digits.data import require_images
from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.digits.networks import Generator
from bgmusic.errors import UserError
from bgmusic.files import read_npz
from bgmusic.gan.draws import batches
from bgmusic.gan.generate import BATCH, device_of, sample
from bgmusic.training.weights import fill, read_generator

__all__ = ["KIND", "load_generator", "preactivated", "read_samples", "sample"]

KIND = "digits"


def load_generator(run: str | Path) -> tuple[DigitsConfig, Generator]:
    """Load a run's sampling generator, in evaluation mode.

    Raises:
        UserError: there is no generator, or its file is corrupt or does not fit its config.

    """
    path = Path(run) / "generator.safetensors"
    config, weights = read_generator(path, KIND, DigitsConfig)
    with torch.device("meta"):
        generator = Generator(config)
    fill(generator, weights, str(path))
    return config, generator


@torch.no_grad()
def preactivated(generator: Generator, count: int, seed: int) -> npt.NDArray[Any]:
    """Return preactivated outputs, float32 ``(count, 28, 28)``, of the digits that :func:`sample` makes."""
    mode, device = generator.training, device_of(generator)
    generator.eval()
    parts = []
    for draws, wanted in batches(seed, 0, count, BATCH):
        parts.append(generator.preactivated(draws.noise(generator.latent).to(device))[wanted].float().cpu())
    generator.train(mode)
    return torch.cat(parts).numpy()


def read_samples(path: str | Path) -> npt.NDArray[np.uint8]:
    """Read images from an npz with the key ``samples``: uint8 ``(N, 28, 28)`` of zeros and ones.

    The file is untrusted input: it is read without pickle.

    Raises:
        UserError: the file is no npz, or its samples have another dtype, shape or other values.

    """
    samples = read_npz(path, ["samples"])["samples"]
    try:
        require_images(samples, "samples")
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None
    return samples.astype(np.uint8)
