"""Training on binarized MNIST: from config to run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bgmusic.digits.data import SHAPE, load_digits
from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.digits.networks import Discriminator, Generator, light_as
from bgmusic.digits.pictures import save_grid
from bgmusic.digits.samples import KIND, sample
from bgmusic.errors import UserError
from bgmusic.gan.game import Game
from bgmusic.training.bits import BitSource
from bgmusic.training.loop import Training
from bgmusic.training.runs import Run, environment
from bgmusic.training.session import choose_device, resume, train

_PICTURE_SEED = 0
_MOST_WEIGHTS = 100_000_000  # a config, perhaps a stranger's, shall not fill the memory


def make_game(
    config: DigitsConfig, seed: int, device: str = "cpu", seconds: float | None = None, holdout: int = 0
) -> Game:
    """A new game on the training digits.

    Args:
        config: networks, neuron and rules.
        seed: of the networks' initial weights and of all draws.
        device: ``cpu`` or ``cuda``.
        seconds: budget of wall time instead of ``config.training.steps``.
        holdout: keep the last so many training digits out, to search for recipes without the test digits.

    Raises:
        UserError: the networks are far too large.

    """
    with torch.device("meta"):
        networks = Generator(config), Discriminator(config)
    weights = sum(weight.numel() for network in networks for weight in network.parameters())
    if weights > _MOST_WEIGHTS:
        raise UserError(f"networks of {weights:,} weights; at most {_MOST_WEIGHTS:,} make sense for digits")
    torch.manual_seed(seed)
    generator, discriminator = Generator(config), Discriminator(config)
    digits = load_digits("train")
    packed = digits.packed[: len(digits.packed) - holdout]
    if config.network.output_offset == "data":
        # Half a digit more, lit and dark: no pixel is always the same.
        count = digits.images()[: len(packed)].sum(0, dtype=np.int64)
        light_as(generator, torch.from_numpy((count + 0.5) / (len(packed) + 1)))
    source = BitSource(packed, SHAPE, device)
    return Game(generator, discriminator, source, config.training, seed, device, seconds)


def _draw(training: Training, path: Path) -> None:
    generator = training.sampler
    save_grid(path, sample(generator, 128, _PICTURE_SEED))


def train_digits(
    out: Path,
    config: DigitsConfig,
    seed: int = 0,
    device: str = "auto",
    minutes: float | None = None,
    command: str = "",
    quiet: bool = False,
) -> bool:
    """Train into a new run folder; True when finished, False when interrupted.

    Raises:
        UserError: the folder is taken, the device is missing, or training diverged.
        OSError: the folder can't be written.

    """
    device = choose_device(device)
    game = make_game(config, seed, device, minutes * 60 if minutes else None)
    config = config.model_copy(update={"training": game.config})  # as this machine settled it, wherever it goes on
    run = Run.create(out, KIND, config, {**environment(seed, device, command), "minutes": minutes})
    return train(run, game, config, _draw, quiet=quiet)


def resume_digits(
    out: Path,
    device: str = "auto",
    quiet: bool = False,
    steps: int | None = None,
    minutes: float | None = None,
) -> bool:
    """Go on with a run from its last checkpoint, with its own config and seed; True when finished.

    ``steps`` or ``minutes`` give it another end, see :meth:`Run.with_budget`.

    Raises:
        UserError: it is no run of digits, corrupt, or has come to that end already.

    """
    run = Run.open(out, KIND)
    device = choose_device(device)
    config = run.with_budget(run.config(DigitsConfig), steps, minutes)
    game = make_game(config, run.seed(), device, run.seconds())
    resume(run, game)
    return train(run, game, config, _draw, quiet=quiet)
