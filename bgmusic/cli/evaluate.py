"""``bgmusic evaluate``: how near generated samples are to real ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.music.evaluation import Evaluation

_DIGITS, _PHRASES = 10_000, 1_000


def evaluate(
    source: Annotated[
        Path,
        typer.Argument(metavar="RUN|FILE|DIR", help="A run folder, samples (npz), MIDI files, or a corpus."),
    ],
    against: Annotated[
        str | None, typer.Option(metavar="DATA", help="For music: the corpus to compare with (bach, freedoom, DIR).")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the scores there.")] = None,
    number: Annotated[
        int | None,
        typer.Option("-n", min=6, max=100_000, help="Samples to score.", show_default=f"{_DIGITS}; {_PHRASES} phrases"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of a run's samples, and of tests.")] = 0,
    binarize: Annotated[str, typer.Option(help="For a real-valued generator: ht or bs.")] = "ht",
) -> None:
    """Score samples against real ones that no training saw, beside the training set's own score (the floor).

    Digits are compared with the 10,000 test digits, phrases with a corpus's pieces of validation and test.
    """
    import json

    from bgmusic.files import write_text
    from bgmusic.gan.shipped import PREFIX, find_run, shipped_generators
    from bgmusic.music.corpora.corpus import embedded_corpora
    from bgmusic.music.phrase_sources import is_music

    # A corpus and the generator that was trained on it have one name: here it is the corpus's.
    if str(source).removeprefix(PREFIX) in shipped_generators() and str(source) not in embedded_corpora():
        source = find_run(source)
    if is_music(source):
        scores = _phrases(source, against, number or _PHRASES, seed)
    elif against is not None:
        raise UserError(f"--against is for music: {source} holds no phrases")
    else:
        scores = _digits(source, number or _DIGITS, seed, binarize)
    # After the table: a file that can't be written shall not cost the user the scores.
    if json_file:
        write_text(json_file, json.dumps(scores, indent=2) + "\n")


def _digits(source: Path, number: int, seed: int, binarize: str) -> dict[str, Any]:
    from rich.console import Console
    from rich.table import Table

    from bgmusic.digits.data import load_digits
    from bgmusic.digits.sampling import load_generator, read_samples, sample
    from bgmusic.digits.scores import Scorer

    if source.suffix == ".npz" or source.is_file():
        images = read_samples(source)
    else:
        _, generator = load_generator(source)
        images = sample(generator, number, seed, binarize)
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


def _phrases(source: Path, against: str | None, number: int, seed: int) -> dict[str, Any]:
    from bgmusic.music import evaluation
    from bgmusic.music.corpora.corpus import open_corpus
    from bgmusic.music.phrase_sources import held_out, open_phrases, training

    if against is None:
        raise UserError("give --against DATA: the corpus that the phrases are compared with (bach, freedoom, a folder)")
    corpus = open_corpus(against)
    phrases = open_phrases(source, corpus, number)
    itself = str(source) == against or source.resolve() == corpus.path.resolve()
    found = evaluation.evaluate(phrases, held_out(corpus), training(corpus, half=itself), seed)
    _show(found, against)
    return found.as_dict()


def _show(found: Evaluation, against: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    title = f"{found.phrases} phrases against {found.held_out} held-out ones of {against}"
    caption = "distance: Wasserstein-1 over the data's standard deviation; floor: training phrases'"
    table = Table(title=title, caption=caption)
    table.add_column("", no_wrap=True)
    for column in ("samples", "data", "distance", "floor", "overlap", "floor"):
        table.add_column(column, justify="right")
    for row in found.rows:
        numbers = (row.samples, row.data, row.distance, row.floor)
        areas = (row.overlap, row.floor_overlap)
        name = row.name if row.core else f"({row.name})"
        table.add_row(name, *(f"{value:.3g}" for value in numbers), *(f"{value:.0%}" for value in areas))
    console.print(table)
    summary = Table("", "samples", "floor")
    both = ((found.distance, found.two_sample), (found.floor, found.floor_two_sample))
    summary.add_row("mean distance", *(f"{d.mean:.3f} ({d.low:.3f} to {d.high:.3f})" for d, _ in both))
    summary.add_row("told apart (50% is best)", *(f"{t.accuracy:.0%} ({t.low:.0%} to {t.high:.0%})" for _, t in both))
    summary.add_row("precision, recall", *(f"{t.precision:.2f}, {t.recall:.2f}" for _, t in both))
    console.print(summary)
    for line in found.verdict():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
