"""Make the report of a music run as one HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgmusic.errors import UserError
from bgmusic.gan.generate import Progress
from bgmusic.music.composing import phrase_sources
from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.judging.copying import nearest
from bgmusic.music.judging.evaluation import evaluate
from bgmusic.music.judging.results import Evaluation
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.pictures.raster import used_rows
from bgmusic.music.report.history import (
    data_values,
    make_stills,
    read_frames,
    score_charts,
    score_curves,
    timelapse_uri,
)
from bgmusic.music.report.marked_phrases import marked_figures
from bgmusic.music.report.nearest_pairs import NearestPair, nearest_pairs
from bgmusic.music.report.neuron_outputs import neuron_figures
from bgmusic.music.report.phrase_figure import PhraseFigure, PhraseSounds, make_figure
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork
from bgmusic.training.report.facts import facts, loss_charts
from bgmusic.training.report.page import page
from bgmusic.training.runs import Run
from bgmusic.version import __version__
from bgmusic.yaml import dump_yaml

_TEMPLATES = Path(__file__).parent / "templates"
SAMPLES, PAIRS = 8, 3
"""Numbers of samples and of nearest pairs on a page."""
_SEARCHED = 400  # samples whose nearest training phrase is searched for


@dataclass(frozen=True)
class Report:
    """The page of a run as HTML, and its evaluation; None without a corpus to compare with."""

    html: str
    evaluation: Evaluation | None


def evaluation_page(
    found: Evaluation,
    title: str,
    against: str,
    command: str = "",
    samples: Phrases | None = None,
    sounds: PhraseSounds | None = None,
) -> str:
    """Make the self-contained HTML page of an evaluation.

    Args:
        found: the evaluation.
        title: title of the page.
        against: name of the corpus that the phrases were compared with.
        command: the command that makes the page, printed in it.
        samples: the phrases that were evaluated; if they were judged, the least real ones are shown.
        sounds: renders their sound; None for a page without sound.

    """
    marked: list[PhraseFigure] = []
    if samples is not None and found.judge is not None:
        marked = marked_figures(found.judge, samples, sounds)
    values = {"title": title, "found": found, "against": against, "command": command, "marked": marked}
    no_sound = sounds.missing if sounds else ""
    return page(_TEMPLATES, "evaluation_page.html", version=__version__, no_sound=no_sound, **values)


def make_report(
    path: str | Path,
    against: str | None = None,
    number: int = 500,
    seed: int = 0,
    binarize: str = "ht",
    sounds: PhraseSounds | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> Report:
    """Make the report of a music run: samples with sound, curves, evaluation, nearest training phrases, config.

    Args:
        path: the run.
        against: the corpus to compare with; by default the one that the run was trained on. If that is missing, the
            report has no evaluation and says why.
        number: number of phrases to evaluate.
        seed: seed of the phrases and of the evaluation.
        binarize: ``ht`` or ``bs``, for a real-valued generator.
        sounds: renders the sound.
        command: the command that makes the report, printed in it.
        progress: receives the number of phrases generated since the last call.

    Raises:
        UserError: the path is no music run with a generator, or ``against`` is no corpus of such phrases.

    """
    path = Path(path)
    config, shape, generator = load_generator(path)
    run, sounds = Run(path), sounds or PhraseSounds()
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
    history = read_frames(run, shape)
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
        "searched": min(len(samples), _SEARCHED),
        "scores": score_charts(score_curves(run), data_values(corpus, shape) if corpus else {}),
        "losses": loss_charts(run),
        "stills": make_stills(history),
        "timelapse": timelapse_uri(history),
        "neurons": neuron_figures(generator, shape, seed, binarize),
    }
    return Report(page(_TEMPLATES, "report.html", version=__version__, **values), found)


def _corpus(path: Path, against: str | None) -> tuple[Corpus | None, str, str]:
    """Return the corpus to compare with, its name, and the reason if there is none."""
    if against is not None:
        return open_corpus(against), against, ""
    data = ""
    try:
        data = phrase_sources.trained_on(path)
        return open_corpus(data), data, ""
    except UserError as error:
        return None, data, str(error)


def _phrases(
    samples: Phrases, corpus: Corpus | None, sounds: PhraseSounds
) -> tuple[list[PhraseFigure], list[NearestPair]]:
    """Return figures of the first samples, and of the samples nearest to training phrases."""
    shares: list[str] = [""] * len(samples)
    pairs: list[NearestPair] = []
    rolls = [samples.roll(number) for number in range(min(SAMPLES, len(samples)))]
    rows = used_rows(rolls)
    if corpus is not None and len(corpus.indices("train")):
        numbers = phrase_sources.training_numbers(corpus)
        near = nearest(samples[:_SEARCHED], phrase_sources.training(corpus).encoded(samples.encoding))
        shares = [f"{share:.0%} of its notes in common with the nearest training phrase" for share in near.share]
        pairs = nearest_pairs(samples[:_SEARCHED], near, corpus, numbers, sounds, PAIRS)
    shown = [
        make_figure(roll, f"Phrase {number + 1}", shares[number], rows=rows, sounds=sounds)
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
