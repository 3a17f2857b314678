"""``bgmusic evaluate``: compare generated samples with real ones."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bgmusic.cli.options import BinarizeOption, JobsOption
from bgmusic.cli.progress import progress_bar
from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.music.judging.results import Evaluation
    from bgmusic.music.rolls.phrases import Phrases

_DIGITS, _PHRASES = 10_000, 500
_LARGE = 10  # numbers from here on have no three decimals
_FEWEST = 6  # each sample has five neighbours


def evaluate(
    source: Annotated[
        Path,
        typer.Argument(metavar="RUN|FILE|DIR", help="Run folder, npz of samples, MIDI files, or a corpus."),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="For music: corpus to compare with (bach, freedoom, DIR).",
            show_default="for a run: the corpus that it was trained on",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the scores as JSON.")
    ] = None,
    html_file: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="For music: also write an HTML page that works offline."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="For music: also write pictures of the least real phrases, with the judge's evidence."
        ),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option(
            "-n",
            min=_FEWEST,
            max=100_000,
            help="Number of samples to score, of phrases 10 or more.",
            show_default=f"{_DIGITS}; {_PHRASES} phrases",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Seed of a run's samples and of statistical tests.")
    ] = 0,
    binarize: BinarizeOption = "ht",
    quick: Annotated[
        bool, typer.Option("--quick", help="For music: leave out the learned judge, which takes CPU-minutes.")
    ] = False,
    jobs: JobsOption = 1,
) -> None:
    """Compare samples with held-out data, and, as the floor, training data with held-out data.

    Digits are compared with the 10,000 test digits, phrases with the validation and test pieces of a corpus.
    """
    from bgmusic.music.composing.phrase_sources import is_music
    from bgmusic.music.corpora.corpus import embedded_corpora
    from bgmusic.training.lookup import PREFIX, find_run, shipped_generators

    # A shipped generator has the name of the corpus that it was trained on; here the corpus wins.
    if str(source).removeprefix(PREFIX) in shipped_generators() and str(source) not in embedded_corpora():
        source = find_run(source)
    # Print the scores before writing files, so that a failed write does not lose them.
    if is_music(source):
        if figures and quick:
            raise UserError("--figures shows the reasons of the learned judge, which --quick leaves out")
        found, samples, against = _phrases(source, against, number or _PHRASES, seed, binarize, not quick, jobs)
        _show(found, source, against)
        if str(source) in shipped_generators():
            typer.echo(f"{source} is the corpus here; its composer is {PREFIX}{source}")
        if json_file:
            _write_json(json_file, found.as_dict())
        if html_file:
            _write_page(html_file, found, samples, source, against)
        if figures:
            _write_figures(figures, found, samples)
        return
    if not source.exists():
        raise UserError(f"there is no file, folder or run {source}")
    for option, given in (("--against", against), ("--html", html_file), ("--figures", figures)):
        if given is not None:
            raise UserError(f"{option} is for music: {source} holds no phrases")
    scores = _digits(source, number, seed, binarize)
    if json_file:
        _write_json(json_file, scores)


def _write_json(path: Path, scores: dict[str, Any]) -> None:
    import json

    from bgmusic.files import write_text

    write_text(path, json.dumps(scores, indent=2) + "\n")


def _write_figures(folder: Path, found: Evaluation, samples: Phrases) -> None:
    from bgmusic.music.report import save_marked

    if found.judge is not None:
        save_marked(folder, found.judge, samples)


def _write_page(path: Path, found: Evaluation, samples: Phrases, source: Path, against: str) -> None:
    import shlex
    import sys

    from bgmusic.files import write_text
    from bgmusic.music.report import PhraseSounds, evaluation_page

    command, title = shlex.join(["bgmusic", *sys.argv[1:]]), f"{source} against {against}"
    write_text(path, evaluation_page(found, title, against, command, samples, PhraseSounds()))


def _digits(source: Path, number: int | None, seed: int, binarize: str) -> dict[str, Any]:
    from rich.console import Console
    from rich.table import Table

    from bgmusic.digits.data import load_digits
    from bgmusic.digits.samples import load_generator, read_samples, sample
    from bgmusic.digits.scores import Scorer

    if source.suffix == ".npz" or source.is_file():
        images = read_samples(source)[:number]
        if len(images) < _FEWEST:
            raise UserError(f"{source}: too few samples to score: {len(images)} of {_FEWEST}")
    else:
        _, generator = load_generator(source)
        images = sample(generator, number or _DIGITS, seed, binarize)
    scorer = Scorer(load_digits("test").images())
    scores = scorer(images)
    floor = scorer.floor(len(images))
    table = Table("", "samples", "training digits (floor)", title=f"{scores.images} samples against the test digits")
    for name in ("fid", "kid", "precision", "recall", "on_rate", "isolated"):
        table.add_row(name, f"{getattr(scores, name):.4g}", f"{getattr(floor, name):.4g}")
    for digit, (share, usual) in enumerate(zip(scores.classes, floor.classes, strict=True)):
        table.add_row(f"share of {digit}", f"{share:.1%}", f"{usual:.1%}")
    Console().print(table)
    return {"scores": scores.as_dict(), "floor": floor.as_dict()}


def _phrases(
    source: Path, against: str | None, number: int, seed: int, binarize: str, judged: bool, jobs: int
) -> tuple[Evaluation, Phrases, str]:
    """Evaluate phrases; returns the evaluation, the phrases, and the corpus's name or folder."""
    from bgmusic.music.composing.comparison import compare
    from bgmusic.music.composing.phrase_sources import trained_on
    from bgmusic.music.corpora.corpus import open_corpus
    from bgmusic.training.lookup import is_run
    from bgmusic.training.memory import keep_freed_memory

    keep_freed_memory()
    if against is None and not is_run(source):
        raise UserError("give --against DATA: the corpus that the phrases are compared with (bach, freedoom, a folder)")
    data = against or trained_on(source)
    with progress_bar("Composing", number) as progress:
        return *compare(source, open_corpus(data), number, seed, binarize, progress, judged, jobs), data


def _show(found: Evaluation, source: Path, against: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    typer.echo(f"Phrases of {source}:")  # a path may be too long for the title of a table
    title = f"{found.phrases} phrases against {found.held_out} held-out ones of {against}"
    caption = (
        "distance: Wasserstein-1 over the data's standard deviation; floor: training phrases'; "
        "errors: distance in standard errors of the data; families: means, and the median of errors"
    )
    # Narrow enough for a terminal of 80 columns.
    narrow: Any = {"box": SIMPLE_HEAD, "show_edge": False, "pad_edge": False, "collapse_padding": True}
    table = Table(title=title, caption=caption, **narrow)
    table.add_column("")  # the names are wrapped where there is too little room
    for column in ("samples", "data", "distance", "floor", "errors"):
        table.add_column(column, justify="right", no_wrap=True, min_width=len(column))
    for family in found.families:
        numbers = (family.distance.mean, family.floor.mean)
        table.add_row(family.name.upper(), "", "", *(_short(value) for value in numbers), f"{family.errors:.1f}")
        for row in (row for row in found.rows if row.family == family.name):
            values = (row.samples, row.data, row.distance, row.floor)
            table.add_row(f"  {row.name}", *(_short(value) for value in values), f"{row.errors:.1f}")
    console.print(table)
    summary = Table("", "samples", "floor")
    families = (found.family_distance, found.family_floor)
    summary.add_row("mean over families", *(f"{d.mean:.3f} ({d.low:.3f} to {d.high:.3f})" for d in families))
    if found.by_folds is not None:
        families = (found.by_folds.family_distance, found.by_folds.family_floor)
        summary.add_row("  the same by folds", *(f"{d.mean:.3f} ({d.low:.3f} to {d.high:.3f})" for d in families))
    both = ((found.distance, found.two_sample), (found.floor, found.floor_two_sample))
    summary.add_row("mean over 12 core statistics", *(f"{d.mean:.3f} ({d.low:.3f} to {d.high:.3f})" for d, _ in both))
    summary.add_row(
        "classifier accuracy (50% is best)", *(f"{t.accuracy:.0%} ({t.low:.0%} to {t.high:.0%})" for _, t in both)
    )
    if not isnan(found.two_sample.precision):  # of 30 phrases or more
        summary.add_row("precision, recall", *(f"{t.precision:.2f}, {t.recall:.2f}" for _, t in both))
    if found.judge is not None:
        judge = found.judge
        accuracy = f"{judge.accuracy:.0%} ({judge.low:.0%} to {judge.high:.0%})"
        summary.add_row("judge's accuracy (50% is best)", accuracy, "")
        summary.add_row("judge's AUC (0.5 is best)", f"{judge.auc:.2f}", "")
    console.print(summary)
    for line in found.verdict():
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _short(value: float) -> str:
    """Format a number in six characters or fewer; a dash for NaN: categories have no mean."""
    return "-" if isnan(value) else f"{value:.3f}" if abs(value) < _LARGE else f"{value:.3g}"
