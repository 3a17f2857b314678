"""Train on a corpus of piano-rolls, and resume such a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.gan.game import Game
from bgmusic.music.composing.generate import phrases, to_rolls
from bgmusic.music.composing.load import KIND, shape_of
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.networks.build import make_discriminator, make_generator
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.networks.lines.generator import LinesGenerator
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.pictures import save_rolls
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.training.composed import ComposedPhrases, compose_phrases
from bgmusic.music.training.corpora import open_again, place_of
from bgmusic.music.training.scores import Scores
from bgmusic.training.loop import Imitation, Training
from bgmusic.training.protocols import SampleNetwork
from bgmusic.training.runs import Run, environment
from bgmusic.training.session import choose_device, resume, train
from bgmusic.training.weights import read_generator

_PICTURE_SEED = 0
_PICTURED = 8
_SEEN = 256  # phrases from which a composer learns how many notes each track plays at once
_MOST_WEIGHTS = 200_000_000  # an untrusted config must not fill the memory
_FEWEST_PHRASES = 2


def fit(config: PianorollConfig, corpus: Corpus) -> PianorollConfig:
    """Return the config with ``rolls`` set to the corpus's shape.

    Raises:
        UserError: the config asks for other rolls than the corpus holds, or for onsets that its encoding lost.

    """
    if config.encoding == "onset" and corpus.encoding == "pause":
        raise UserError(f"corpus {corpus.path.name} was built with the pause encoding: its onsets are lost")
    encoding = config.encoding or (config.rolls.encoding if config.rolls else corpus.encoding)
    shape = corpus.settings.shape.model_copy(update={"encoding": encoding, "bpm": corpus.bpm})
    if config.rolls is not None:
        for key in ("track_set", "resolution", "bars", "steps"):
            has, wants = getattr(shape, key), getattr(config.rolls, key)
            if has != wants:
                has, wants = (value.name if key == "track_set" else value for value in (has, wants))
                raise UserError(f"corpus {corpus.path.name} does not fit: its {key} is {has}, the config has {wants}")
        if config.rolls.encoding == "onset" and corpus.encoding == "pause":
            raise UserError(f"corpus {corpus.path.name} was built with the pause encoding: its onsets are lost")
    return config.model_copy(update={"rolls": shape, "encoding": shape.encoding})


def make_training(
    config: PianorollConfig, corpus: Corpus, seed: int, device: str = "cpu", seconds: float | None = None
) -> Game | Imitation:
    """Make a new training on the corpus's training phrases: a game, or imitation alone where no game is played.

    Args:
        config: networks, neuron, strategy and rules, its ``rolls`` filled in by :func:`fit`.
        corpus: source of the phrases.
        seed: seed of the networks' initial weights and of all draws.
        device: ``cpu`` or ``cuda``.
        seconds: budget of wall time instead of ``config.training.steps``.

    Raises:
        UserError: the networks are far too large, or there are fewer than two training phrases.

    """
    shape, rules = shape_of(config, "this training"), config.training
    with torch.device("meta"):
        networks = [make_generator(config, shape), *([make_discriminator(config, shape)] if rules.plays else [])]
    weights = sum(weight.numel() for network in networks for weight in network.parameters())
    if weights > _MOST_WEIGHTS:
        raise UserError(f"networks of {weights:,} weights; at most {_MOST_WEIGHTS:,} are allowed")
    before = config.network.bars_recalled(shape.bars) if isinstance(config.network, CausalConfig) else 0
    source = corpus.loader("train", device=device, encoding=shape.encoding, transpose=config.transpose, before=before)
    if len(source) < _FEWEST_PHRASES:
        raise UserError(f"corpus {corpus.path.name} has {len(source)} training phrase; a training needs more")
    torch.manual_seed(seed)
    generator = make_generator(config, shape)
    if not rules.plays:
        return Imitation(generator, source, rules, seed, device, seconds)
    discriminator = make_discriminator(config, shape)
    if isinstance(generator, Composer | LinesGenerator):
        # What they do not learn from data in a game: how many notes a track plays at once; how often keys occur.
        generator.see(corpus.loader("train", encoding=shape.encoding).batch(_SEEN, torch.Generator().manual_seed(seed)))
    return Game(generator, discriminator, source, rules, seed, device, seconds)


def begin_with(training: Game | Imitation, config: PianorollConfig, first_stage: Path) -> None:
    """Start a second stage from a first: load its sampling generator's body and its discriminator.

    Raises:
        UserError: the first stage has no checkpoint, or its networks have other sizes.

    """
    path = first_stage / "generator.safetensors"
    theirs, weights = read_generator(path, KIND, PianorollConfig)
    if theirs.rolls is None or config.rolls is None or _form(theirs.rolls) != _form(config.rolls):
        raise UserError(f"{first_stage} makes other rolls (tracks, bars, steps or encoding) than this training")
    networks = [training.generator, *([training.average] if training.average else [])]
    try:
        if isinstance(training.generator, CausalComposer):
            for network in networks:
                cast("CausalComposer", network).begin_with(weights)
        else:
            _begin_refiner(training, networks, weights, first_stage)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        raise UserError(f"{first_stage}: its networks don't fit this config's network settings") from None


def _begin_refiner(
    training: Game | Imitation, networks: Sequence[SampleNetwork], weights: Mapping[str, Tensor], first_stage: Path
) -> None:
    state = Run.open(first_stage, KIND).load_state()
    if state is None:
        raise UserError(f"{first_stage} has no checkpoint, and so no discriminator; train it first")
    body = {name.removeprefix("body."): value for name, value in weights.items() if name.startswith("body.")}
    if not isinstance(training, Game):
        raise UserError("a second stage needs a game: training.imitation.alone is 1")
    for network in networks:
        network.get_submodule("body").load_state_dict(body)
    training.discriminator.load_state_dict(state["discriminator"])


def _form(rolls: RollShape) -> RollShape:
    """Return a shape without metre and tempo, which older runs do not have and networks do not see."""
    return rolls.model_copy(update={"metre": None, "bpm": None})


def _drawing(config: PianorollConfig) -> Callable[[Training, Path], None]:
    shape = shape_of(config, "this training")

    def draw(training: Training, path: Path) -> None:
        save_rolls(path, to_rolls(phrases(training.sampler, shape, _PICTURED, _PICTURE_SEED), shape))

    return draw


def train_pianoroll(
    out: str | Path,
    config: PianorollConfig,
    data: str,
    seed: int = 0,
    device: str = "auto",
    minutes: float | None = None,
    start: str | Path | None = None,
    command: str = "",
    quiet: bool = False,
) -> bool:
    """Train into a new run folder; True when finished, False when interrupted.

    Args:
        out: the run folder.
        config: the training's config, see :class:`PianorollConfig`.
        data: name of an embedded corpus, or the folder of a corpus.
        seed: seed of weights and draws.
        device: ``auto``, ``cpu`` or ``cuda``.
        minutes: budget of wall time instead of ``config.training.steps``.
        start: run of the first stage, for a second stage; of a composer, for one that learns from its phrases.
        command: command line, kept in the run's environment.
        quiet: no progress bar.

    Raises:
        UserError: the corpus or the first stage does not fit, the folder is taken, the device is missing, or
            training diverged.
        OSError: the folder can't be written.

    """
    if starts(config) != (start is not None):
        if start:  # pretraining is end-to-end too, of a network without a refiner
            raise UserError("--start is for the strategies two-stage and joint; this training has no first stage")
        if config.composed:
            raise UserError("this training learns what a composer makes, and needs its run: --start RUN")
        raise UserError(f"the strategy {config.strategy} needs the run of a first stage: --start RUN")
    device = choose_device(device)
    corpus = open_corpus(data)
    config = fit(config, corpus)
    training = make_training(config, corpus, seed, device, minutes * 60 if minutes else None)
    config = config.model_copy(update={"training": training.config})  # keep the precision, also on another machine
    if start:
        begin_with(training, config, Path(start))
    places = {
        "data": place_of(data, corpus),
        "corpus": corpus.fingerprint,
        "start": str(Path(start).resolve()) if start else None,
    }
    run = Run.create(Path(out), KIND, config, {**environment(seed, device, command), "minutes": minutes, **places})
    return _compose(run, training, config, quiet) and _train(run, training, config, corpus, quiet)


def starts(config: PianorollConfig) -> bool:
    """Return whether a training starts from a run of another stage."""
    return config.strategy != "end-to-end" or config.composed is not None


def resume_pianoroll(
    out: str | Path,
    device: str = "auto",
    data: str | None = None,
    quiet: bool = False,
    steps: int | None = None,
    minutes: float | None = None,
) -> bool:
    """Resume a run from its last checkpoint, with its own config, corpus and seed; True when finished.

    Args:
        out: the run folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        data: the corpus's new folder, if it was moved; it is saved in the run.
        quiet: no progress bar.
        steps: new total of G updates, see :meth:`Run.with_budget`.
        minutes: new total of minutes instead.

    Raises:
        UserError: it is no run of music, is corrupt or past that budget, or its corpus or first stage is missing or
            has changed.

    """
    run = Run.open(Path(out), KIND)
    config, places = run.config(PianorollConfig), run.environment()
    corpus = open_again(out, places, data)
    device = choose_device(device)
    config = run.with_budget(fit(config, corpus), steps, minutes)
    training = make_training(config, corpus, run.seed(), device, run.seconds())
    if not _compose(run, training, config, quiet):
        return False
    if not resume(run, training) and starts(config):
        begin_with(training, config, Path(str(places.get("start", ""))))
    if data:
        run.note(data=place_of(data, corpus))
    return _train(run, training, config, corpus, quiet)


def _compose(run: Run, training: Game | Imitation, config: PianorollConfig, quiet: bool) -> bool:
    """Compose the phrases that the training learns beside real ones, if any; False when interrupted."""
    if config.composed:
        shape = shape_of(config, "this training")
        made = compose_phrases(run, config.composed.phrases, shape, str(training.device), quiet)
        if made is None:
            return False
        training.source = ComposedPhrases(training.source, made, shape, config.composed.share)
    return True


def _train(run: Run, training: Game | Imitation, config: PianorollConfig, corpus: Corpus, quiet: bool) -> bool:
    scores = Scores(run, shape_of(config, "this training"), corpus, config.score_every, config.score_share)
    return train(run, training, config, _drawing(config), [scores], quiet)
