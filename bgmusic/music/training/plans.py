"""Train a planner on the plans of a corpus, and resume such a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.files import atomic_write
from bgmusic.gan.game import Game
from bgmusic.music.composing.planners import KIND, sample_bits
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.corpora.split import Split
from bgmusic.music.networks.planner.config import PlannerConfig, PlanSize
from bgmusic.music.networks.planner.discriminator import PlanDiscriminator
from bgmusic.music.networks.planner.layout import PlanLayout
from bgmusic.music.networks.planner.masks import draw_mask, numbers
from bgmusic.music.networks.planner.network import Planner, layout_of, match_rates
from bgmusic.music.plans.extract import extract_batch
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.training.corpora import open_again, place_of
from bgmusic.training.bits import BitSource
from bgmusic.training.loop import Imitation, Training
from bgmusic.training.runs import Run, environment
from bgmusic.training.session import choose_device, resume, train

_MOST_PLANS = 20_000  # phrases, evenly spread, whose plans are kept
_MOST_WEIGHTS = 100_000_000  # an untrusted config must not fill the memory
_CHUNK = 500
_PICTURED, _SCALE = 16, 4


class PlanSource:
    """Serve random batches of plans and of places that are given: ``(size, bits + places)``.

    Args:
        bits: boolean ``(plans, bits)``.
        layout: their layout.
        device: device of the batches.

    """

    def __init__(self, bits: NDArray[np.bool_], layout: PlanLayout, device: str = "cpu") -> None:
        self.layout, self.device = layout, device
        self._bits = BitSource(np.packbits(bits, 1), (layout.bits,), device)

    def __len__(self) -> int:
        return len(self._bits)

    def batch(self, size: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``size`` plans with replacement, and given places for each."""
        plans = self._bits.batch(size, generator)
        uniform = torch.rand(size, numbers(self.layout), generator=generator)
        return torch.cat([plans, draw_mask(self.layout, uniform).to(self.device)], 1)


def corpus_bits(corpus: Corpus, split: Split, most: int = _MOST_PLANS) -> NDArray[np.bool_]:
    """Return the bits of the plans of a split's phrases, evenly spread: boolean ``(plans, bits)``.

    Raises:
        UserError: the split has no phrases.

    """
    indices = corpus.indices(split)
    if not len(indices):
        raise UserError(f"corpus {corpus.path.name} has no phrase in split {split}")
    chosen = indices[np.linspace(0, len(indices) - 1, min(most, len(indices))).astype(np.int64)]
    layout = PlanLayout(PlanShape.of(corpus.settings.shape))
    parts = []
    for start in range(0, len(chosen), _CHUNK):
        cells, *onsets = corpus.planes(chosen[start : start + _CHUNK])
        plans = extract_batch(Phrases(corpus.track_set, corpus.resolution, cells, onsets[0] if onsets else None))
        parts.append(layout.to_vectors(plans)[0])
    return np.concatenate(parts)


def fit(config: PlannerConfig, corpus: Corpus) -> PlannerConfig:
    """Return the config with the size of the corpus's plans.

    Raises:
        UserError: the config has plans of another size.

    """
    shape = PlanShape.of(corpus.settings.shape)
    size = PlanSize(tracks=shape.tracks, drums=shape.drums, bars=shape.bars, beats=shape.beats)
    if config.plans is not None and config.plans != size:
        raise UserError(
            f"corpus {corpus.path.name} does not fit: its tracks, bars or beats are not those of the config"
        )
    return config.model_copy(update={"plans": size})


def make_training(
    config: PlannerConfig, corpus: Corpus, seed: int, device: str = "cpu", seconds: float | None = None
) -> Game | Imitation:
    """Make a new training on the plans of the corpus's training phrases: a game, or imitation.

    Args:
        config: networks and rules, with its ``plans``.
        corpus: source of the phrases.
        seed: seed of the networks' initial weights and of all draws.
        device: ``cpu`` or ``cuda``.
        seconds: budget of wall time instead of ``config.training.steps``.

    Raises:
        UserError: the networks are far too large, or there are no training phrases.

    """
    with torch.device("meta"):
        networks = [Planner(config), *([] if config.imitates else [PlanDiscriminator(config)])]
    weights = sum(weight.numel() for network in networks for weight in network.parameters())
    if weights > _MOST_WEIGHTS:
        raise UserError(f"networks of {weights:,} weights; at most {_MOST_WEIGHTS:,} are allowed")
    bits = corpus_bits(corpus, "train")
    source = PlanSource(bits, layout_of(config.plans), device)
    torch.manual_seed(seed)
    planner = Planner(config)
    match_rates(planner, torch.from_numpy((bits.sum(0) + 0.5) / (len(bits) + 1)).float())
    if config.imitates:
        return Imitation(planner, source, config.training, seed, device, seconds)
    planner.give_examples(torch.from_numpy(bits))
    return Game(planner, PlanDiscriminator(config), source, config.training, seed, device, seconds)


def train_plans(
    out: str | Path,
    config: PlannerConfig,
    data: str,
    seed: int = 0,
    device: str = "auto",
    minutes: float | None = None,
    command: str = "",
    quiet: bool = False,
) -> bool:
    """Train a planner into a new run folder; True when finished, False when interrupted.

    Args:
        out: the run folder.
        config: networks and rules.
        data: name of an embedded corpus, or the folder of a corpus.
        seed: seed of weights and draws.
        device: ``auto``, ``cpu`` or ``cuda``.
        minutes: budget of wall time instead of ``config.training.steps``.
        command: command line, kept in the run's environment.
        quiet: no progress bar.

    Raises:
        UserError: the corpus does not fit, the folder is taken, the device is missing, or training diverged.
        OSError: the folder can't be written.

    """
    device = choose_device(device)
    corpus = open_corpus(data)
    config = fit(config, corpus)
    training = make_training(config, corpus, seed, device, minutes * 60 if minutes else None)
    config = config.model_copy(update={"training": training.config})
    about = {"minutes": minutes, "data": place_of(data, corpus), "corpus": corpus.fingerprint}
    run = Run.create(Path(out), KIND, config, {**environment(seed, device, command), **about})
    return train(run, training, config, _draw, quiet=quiet)


def resume_plans(
    out: str | Path,
    device: str = "auto",
    quiet: bool = False,
    steps: int | None = None,
    minutes: float | None = None,
) -> bool:
    """Resume a run from its last checkpoint, with its own config, corpus and seed; True when finished.

    Args:
        out: the run folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        quiet: no progress bar.
        steps: new total of G updates, see :meth:`Run.with_budget`.
        minutes: new total of minutes instead.

    Raises:
        UserError: it is no run of plans, is corrupt or past that budget, or its corpus is missing or has changed.

    """
    run = Run.open(Path(out), KIND)
    config, places = run.config(PlannerConfig), run.environment()
    corpus = open_again(out, places)
    device = choose_device(device)
    config = run.with_budget(fit(config, corpus), steps, minutes)
    training = make_training(config, corpus, run.seed(), device, run.seconds())
    resume(run, training)
    return train(run, training, config, _draw, quiet=quiet)


def _draw(training: Training, path: Path) -> None:
    """Draw the harmony of a few plans: beats across; pitch classes, then basses, downwards."""
    planner = training.sampler
    if not isinstance(planner, Planner):
        raise TypeError("a training on plans has a Planner")
    bits = torch.from_numpy(sample_bits(planner, _PICTURED, 0))
    parts = planner.layout.split(bits)
    both = torch.cat([parts.chord, torch.zeros_like(parts.chord[..., :1]), parts.bass], 2)
    rows = torch.nn.functional.pad(both, (1, 1, 1, 1)).transpose(1, 2)
    sheet = torch.cat([torch.cat(list(row), 1) for row in rows.split(4)], 0)
    grey = ((1 - sheet) * 255).to(torch.uint8).numpy().repeat(_SCALE, 0).repeat(_SCALE, 1)
    with atomic_write(path) as file:
        Image.fromarray(grey).save(file, "PNG")
