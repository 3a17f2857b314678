"""The report of a run, from its folder to one HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bgmusic
from bgmusic.errors import UserError
from bgmusic.gan.generate import Progress
from bgmusic.music.composing import phrase_sources
from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.judging.copying import nearest
from bgmusic.music.judging.evaluation import Evaluation, evaluate
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.pictures.raster import used_rows
from bgmusic.music.report.history import data_values, film, frames, score_charts, score_curves, stills
from bgmusic.music.report.inside import preactivated
from bgmusic.music.report.neighbours import Pair, closest
from bgmusic.music.report.shown import Shown, Sounds, show
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork
from bgmusic.training.report.facts import facts, loss_charts
from bgmusic.training.report.page import page
from bgmusic.training.runs import Run
from bgmusic.yaml import dump_yaml

_TEMPLATES = Path(__file__).parent / "templates"
_SAMPLES, _PAIRS = 8, 3
_LOOKED_AT = 400  # samples that a copy is looked for in


@dataclass(frozen=True)
class Report:
    """A run's report: the page ``html``, and what the evaluation found, None where there was no corpus for one."""

    html: str
    evaluation: Evaluation | None


def evaluation_page(found: Evaluation, title: str, against: str, command: str = "") -> str:
    """An evaluation as a self-contained HTML page.

    ``against`` names the corpus that the phrases were compared with; ``command`` is what made the page.
    """
    values = {"title": title, "found": found, "against": against, "command": command}
    return page(_TEMPLATES, "evaluation_page.html", version=bgmusic.__version__, **values)


def make_report(
    path: Path,
    against: str | None = None,
    number: int = 500,
    seed: int = 0,
    binarize: str = "ht",
    sounds: Sounds | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> Report:
    """A music run's report: what was trained, samples to be heard, curves, evaluation, nearest training phrases.

    Args:
        path: the run.
        against: the corpus to compare with; by default what the run was trained on, and if that is gone the report
            says so and goes without.
        number: phrases to evaluate.
        seed: of the phrases, and of the evaluation.
        binarize: for a real-valued generator, ``ht`` or ``bs``.
        sounds: makes the sound.
        command: what made the report.
        progress: progress callback to evaluate, which are most of the work.

    Raises:
        UserError: it is no music run with a generator, or ``against`` is no corpus of such phrases.

    """
    config, shape, generator = load_generator(path)
    run, sounds = Run(path), sounds or Sounds()
    corpus, data, reason = _corpus(path, against)
    samples = phrase_sources.run_phrases(path, corpus, number, seed, binarize, progress)
    found: Evaluation | None = None
    if corpus is not None:
        try:
            held_out, training = phrase_sources.held_out(corpus), phrase_sources.training(corpus)
            found = evaluate(samples, held_out, training, seed)
        except UserError as error:
            reason = str(error)
    shown, pairs = _phrases(samples, corpus, sounds)
    history = frames(run, shape)
    values: dict[str, Any] = {
        "title": f"Report of {path.resolve().name}",
        "command": command,
        "facts": [*facts(run), ("corpus", data), *_about(config, shape, generator)],
        "config": dump_yaml(config),
        "reason": reason,
        "found": found,
        "against": data,
        "samples": shown,
        "no_sound": sounds.missing,
        "pairs": pairs,
        "looked_at": min(len(samples), _LOOKED_AT),
        "scores": score_charts(score_curves(run), data_values(corpus, shape) if corpus else {}),
        "losses": loss_charts(run),
        "stills": stills(history),
        "film": film(history),
        "inside": preactivated(generator, shape, seed, binarize),
    }
    return Report(page(_TEMPLATES, "report.html", version=bgmusic.__version__, **values), found)


def _corpus(path: Path, against: str | None) -> tuple[Corpus | None, str, str]:
    """The corpus to compare with, its name, and why there is none."""
    if against is not None:
        return open_corpus(against), against, ""
    data = ""
    try:
        data = phrase_sources.trained_on(path)
        return open_corpus(data), data, ""
    except UserError as error:
        return None, data, str(error)


def _phrases(samples: Phrases, corpus: Corpus | None, sounds: Sounds) -> tuple[list[Shown], list[Pair]]:
    """The first samples, and those nearest to training phrases."""
    shares: list[str] = [""] * len(samples)
    pairs: list[Pair] = []
    rolls = [samples.roll(number) for number in range(min(_SAMPLES, len(samples)))]
    rows = used_rows(rolls)
    if corpus is not None and len(corpus.indices("train")):
        numbers = phrase_sources.training_numbers(corpus)
        near = nearest(samples[:_LOOKED_AT], phrase_sources.training(corpus).encoded(samples.encoding))
        shares = [f"{share:.0%} of its notes in common with the nearest training phrase" for share in near.share]
        pairs = closest(samples[:_LOOKED_AT], near, corpus, numbers, sounds, _PAIRS)
    shown = [
        show(roll, f"Phrase {number + 1}", shares[number], rows=rows, sounds=sounds)
        for number, roll in enumerate(rolls)
    ]
    return shown, pairs


def _about(config: PianorollConfig, shape: RollShape, generator: SampleNetwork) -> list[tuple[str, str]]:
    tracks = ", ".join(track.name for track in shape.track_set.tracks)
    weights = sum(weight.numel() for weight in generator.parameters())
    form = f"{shape.bars} bars of {shape.steps} steps ({shape.resolution} a beat), {shape.track_set.pitches} pitches"
    return [
        ("rolls", f"{form}, {shape.encoding} encoding"),
        ("tracks", tracks),
        ("neuron", f"{config.neuron}, estimator {config.estimator}"),
        ("generator", f"{weights:,} weights"),
    ]
