"""Load a trained generator and the shape of its rolls."""

from __future__ import annotations

from pathlib import Path

import torch

from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import read_timing
from bgmusic.music.networks.build import make_generator
from bgmusic.music.networks.causal_config import MAX_DRAFTS, CausalConfig
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork
from bgmusic.training.runs import Run
from bgmusic.training.weights import fill, read_generator

KIND = "music"


def load_generator(run: Path, drafts: int | None = None) -> tuple[PianorollConfig, RollShape, SampleNetwork]:
    """Load a run's sampling generator, in evaluation mode.

    Args:
        run: the run's folder.
        drafts: among how many drafts its critic chooses, see :func:`with_drafts`; None: as trained.

    Returns:
        The run's config, the shape of the rolls that it generates, and the network.

    Raises:
        UserError: there is no generator, its file is corrupt or does not fit its config, or it makes no drafts.

    """
    path = run / "generator.safetensors"
    config, weights = read_generator(path, KIND, PianorollConfig)
    config = with_drafts(_with_timing(config, run), drafts, str(run))
    return config, *build_generator(config, weights, str(path))


def with_drafts(config: PianorollConfig, drafts: int | None, source: str) -> PianorollConfig:
    """Return the config with another number of drafts among which the critic chooses; None changes nothing.

    Raises:
        UserError: the composer has no critic, or the number is not between 1 and 256; the message starts with
            ``source``.

    """
    if drafts is None:
        return config
    if not isinstance(config.network, CausalConfig) or config.strategy != "two-stage":
        raise UserError(f"{source}: no choice of --drafts, since it is no causal composer with a critic")
    if isinstance(drafts, bool) or not isinstance(drafts, int):
        raise TypeError(f"drafts is a whole number, not {drafts!r}")
    if not 1 <= drafts <= MAX_DRAFTS:
        raise UserError(f"drafts must be from 1 to {MAX_DRAFTS}, not {drafts}")
    network = config.network.model_copy(update={"drafts": drafts, "blank_drafts": drafts})
    return config.model_copy(update={"network": network})


def _with_timing(config: PianorollConfig, run: Path) -> PianorollConfig:
    """Fill in the metre and tempo of an older run from its corpus, if that is still there."""
    if config.rolls is None or config.rolls.bpm is not None:
        return config
    try:
        timing = read_timing(str(Run(run).environment().get("data") or ""), config.rolls)
    except (UserError, OSError):
        return config
    return config.model_copy(update={"rolls": config.rolls.model_copy(update=timing)})


def build_generator(
    config: PianorollConfig, weights: dict[str, torch.Tensor], source: str
) -> tuple[RollShape, SampleNetwork]:
    """Build the network that a config describes and fill in its weights.

    Args:
        config: config of a run, with its ``rolls``.
        weights: the network's state dict.
        source: name of the file, for error messages.

    Raises:
        UserError: the weights don't fit the config, or the config has no ``rolls``.

    """
    shape = shape_of(config, source)
    with torch.device("meta"):
        generator = make_generator(config, shape)
    fill(generator, weights, source)
    return shape, generator


def shape_of(config: PianorollConfig, source: str) -> RollShape:
    """Return the shape of a run's rolls.

    Raises:
        UserError: the config has no ``rolls``.

    """
    if config.rolls is None:
        raise UserError(f"{source}: its config has no `rolls`, the shape of what it generates")
    return config.rolls
