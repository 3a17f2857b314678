"""Digits from a trained generator: the same seed gives the same digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.digits.networks import Generator
from bgmusic.errors import UserError
from bgmusic.files import read_npz
from bgmusic.gan.generate import noises, sample
from bgmusic.training.weights import fill, read_generator

__all__ = ["KIND", "load_generator", "preactivated", "read_samples", "sample"]

KIND = "digits"


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


@torch.no_grad()
def preactivated(generator: Generator, count: int, seed: int) -> npt.NDArray[Any]:
    """Preactivated outputs, float32 ``(count, 28, 28)``, of the same noise as :func:`sample` for a DBN."""
    mode, rng = generator.training, torch.Generator().manual_seed(seed)
    generator.eval()
    parts = [generator.preactivated(noise).float().cpu() for noise in noises(generator, count, rng)]
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
