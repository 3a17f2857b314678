"""Train on binarized MNIST, from a config to a run folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bgmusic.digits.data import SHAPE, load_digits
from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.digits.networks import Discriminator, Generator, match_pixel_rates
from bgmusic.digits.pictures import save_grid
from bgmusic.digits.samples import KIND, sample
from bgmusic.errors import UserError
from bgmusic.gan.game import Game
from bgmusic.training.bits import BitSource
from bgmusic.training.loop import Training
from bgmusic.training.runs import Run, environment
from bgmusic.training.session import choose_device, resume, train

_PICTURE_SEED = 0
_MAX_WEIGHTS = 100_000_000  # configs are untrusted input and must not exhaust the memory


def make_game(
    config: DigitsConfig, seed: int, device: str = "cpu", seconds: float | None = None, holdout: int = 0
) -> Game:
    """Make a new adversarial game on the training digits.

    Args:
        config: networks, neuron and game.
        seed: seed of the initial weights and of all random draws.
        device: ``cpu`` or ``cuda``.
        seconds: wall-time budget, in place of ``config.training.steps``.
        holdout: number of training digits, the last ones, to leave out as a reference when searching for recipes.

    Raises:
        UserError: the networks are too large.
        ValueError: ``holdout`` is negative, or leaves no digit to train on.

    """
    with torch.device("meta"):
        networks = Generator(config), Discriminator(config)
    weights = sum(weight.numel() for network in networks for weight in network.parameters())
    if weights > _MAX_WEIGHTS:
        raise UserError(f"networks of {weights:,} weights; at most {_MAX_WEIGHTS:,} are allowed: reduce the widths")
    torch.manual_seed(seed)
    generator, discriminator = Generator(config), Discriminator(config)
    digits = load_digits("train")
    if not 0 <= holdout < len(digits.packed):
        raise ValueError(f"holdout must be 0 to {len(digits.packed) - 1}, not {holdout}")
    packed = digits.packed[: len(digits.packed) - holdout]
    if config.network.output_offset == "data":
        # Add-half smoothing keeps the rates of constant pixels away from 0 and 1.
        count = digits.images()[: len(packed)].sum(0, dtype=np.int64)
        match_pixel_rates(generator, torch.from_numpy((count + 0.5) / (len(packed) + 1)))
    source = BitSource(packed, SHAPE, device)
    return Game(generator, discriminator, source, config.training, seed, device, seconds)


def _draw(training: Training, path: Path) -> None:
    generator = training.sampler
    save_grid(path, sample(generator, 128, _PICTURE_SEED))


def train_digits(
    out: str | Path,
    config: DigitsConfig,
    seed: int = 0,
    device: str = "auto",
    minutes: float | None = None,
    command: str = "",
    quiet: bool = False,
) -> bool:
    """Train a config into a new run folder.

    Args:
        out: the run folder, which must not exist.
        config: networks, neuron and game.
        seed: seed of the initial weights and of all random draws.
        device: ``cpu``, ``cuda``, or ``auto``.
        minutes: wall-time budget, in place of ``config.training.steps``.
        command: the command line, recorded in the run.
        quiet: print no progress.

    Returns:
        True if the training finished, False if it was interrupted.

    Raises:
        UserError: the folder exists, the device is missing, or training diverged.
        OSError: the folder can't be written.

    """
    device = choose_device(device)
    game = make_game(config, seed, device, minutes * 60 if minutes else None)
    # Record the settings that depend on this machine, so that the run resumes with them elsewhere.
    config = config.model_copy(update={"training": game.config})
    run = Run.create(Path(out), KIND, config, {**environment(seed, device, command), "minutes": minutes})
    return train(run, game, config, _draw, quiet=quiet)


def resume_digits(
    out: str | Path,
    device: str = "auto",
    quiet: bool = False,
    steps: int | None = None,
    minutes: float | None = None,
) -> bool:
    """Resume a run from its last checkpoint, with its own config and seed.

    Args:
        out: the run folder.
        device: ``cpu``, ``cuda``, or ``auto``.
        quiet: print no progress.
        steps: new number of G updates, see :meth:`Run.with_budget`.
        minutes: new wall-time budget.

    Returns:
        True if the training finished, False if it was interrupted.

    Raises:
        UserError: the folder is no digits run, is corrupt, or has already reached that end.

    """
    run = Run.open(Path(out), KIND)
    device = choose_device(device)
    config = run.with_budget(run.config(DigitsConfig), steps, minutes)
    game = make_game(config, run.seed(), device, run.seconds())
    resume(run, game)
    return train(run, game, config, _draw, quiet=quiet)
