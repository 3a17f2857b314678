"""``bgmusic paper``: run the experiments of the papers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Run a paper's experiments.")


class Scale(str, Enum):
    """Sizes of the experiments."""

    smoke = "smoke"
    quick = "quick"
    full = "full"


class Part(str, Enum):
    """Experiments of the BinaryGAN paper."""

    one = "I"
    two = "II"
    three = "III"
    four = "IV"
    figure_8 = "figure-8"


def _counting(everything: int) -> Callable[[str, str], None]:
    """Return a callback that prints each training that ended, with a counter."""
    numbers = itertools.count(1)

    def report(name: str, how: str) -> None:
        typer.echo(f"{next(numbers)}/{everything} {name}: {how}")

    return report


def _circumstances(seed: int) -> dict[str, Any]:
    """Describe machine and seed, for the head of a table."""
    import os
    import platform

    import torch

    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {platform.system()}"
    return {"machine": machine, "seed": seed}


def _end_if_interrupted(ended: Mapping[str, str]) -> None:
    if "interrupted" in ended.values():
        typer.echo("Interrupted and saved. Repeat the command to resume.")
        raise typer.Exit(130)


@app.command()
def binarygan(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of runs, figures and tables.")],
    scale: Annotated[
        Scale, typer.Option(help="smoke: seconds; quick: about an hour; full: the paper's number of updates.")
    ] = Scale.quick,
    part: Annotated[Part | None, typer.Option(help="Run one experiment only.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of every run.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Number of processes, one thread each.")] = 2,
) -> None:
    """Run BinaryGAN's experiments I to IV and figure 8 (arXiv 1810.04714): figures, scores and a table.

    Finished runs in DIR are kept: repeat the command after an interruption.
    """
    from bgmusic.papers.binarygan.experiments import experiments, run_all
    from bgmusic.papers.binarygan.report import report_all

    wanted = part.value.replace("figure-8", "Figure 8") if part else None
    chosen = [experiment for experiment in experiments() if wanted is None or wanted in experiment.parts]
    updates = {experiment.network: experiment.config(scale.value).training.steps for experiment in chosen}
    facts = {
        "command": f"bgmusic paper binarygan --scale {scale.value}{f' --part {part.value}' if part else ''} "
        f"--seed {seed} --jobs {jobs} --out DIR",
        **_circumstances(seed),
        "G updates": ", ".join(f"{steps:,} ({network})" for network, steps in sorted(updates.items())),
    }
    ended = run_all(out, scale.value, seed, jobs, _counting(len(chosen)), chosen)
    _end_if_interrupted(ended)
    name = f"results-{part.value}" if part else "results"  # the table of one part does not overwrite the others
    report_all(out, scale.value, ended, seed, facts, name)
    typer.echo(f"Table: {out / f'{name}.md'}; figures: {out / 'figures'}")


@app.command()
def bmusegan(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of runs, phrases, figures and the table.")],
    data: Annotated[str, typer.Option(metavar="CORPUS|DIR", help="Corpus: bach, freedoom, or a folder.")],
    scale: Annotated[
        Scale, typer.Option(help="smoke: seconds; quick: about an hour; full: the paper's number of updates.")
    ] = Scale.quick,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of every run.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Number of processes, one thread each.")] = 2,
) -> None:
    """Run BinaryMuseGAN's Table 1 and figures 7 to 11 (arXiv 1804.09399) on a corpus, with the default composer.

    Finished runs in DIR are kept: repeat the command after an interruption.
    """
    from bgmusic.music.corpora.corpus import open_corpus
    from bgmusic.papers.musegan.experiments import experiments, run_all
    from bgmusic.papers.musegan.report import report_all
    from bgmusic.papers.musegan.table import require_comparable

    require_comparable(open_corpus(data))
    facts = {
        "command": f"bgmusic paper bmusegan --scale {scale.value} --data {data} --seed {seed} --jobs {jobs} --out DIR",
        **_circumstances(seed),
        "data": data,
    }
    ended = run_all(out, scale.value, data, seed, jobs, _counting(len(experiments())))
    _end_if_interrupted(ended)
    report_all(out, scale.value, data, ended, seed, facts)
    typer.echo(f"Table: {out / 'results.md'}; figures: {out / 'figures'}")
