"""``bgmusic paper``: the papers' experiments, run again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Run a paper's experiments.")


class Scale(str, Enum):
    """How large."""

    smoke = "smoke"
    quick = "quick"
    full = "full"


class Part(str, Enum):
    """Which of the paper's experiments."""

    one = "I"
    two = "II"
    three = "III"
    four = "IV"
    figure_8 = "figure-8"


def _counting(everything: int) -> Callable[[str, str], None]:
    """What tells the user of each training that ended."""
    numbers = itertools.count(1)

    def report(name: str, how: str) -> None:
        typer.echo(f"{next(numbers)}/{everything} {name}: {how}")

    return report


def _circumstances(seed: int) -> dict[str, Any]:
    """What stands above a table, besides its command."""
    import os
    import platform

    import torch

    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {platform.system()}"
    return {"machine": machine, "seed": seed}


def _end_if_interrupted(ended: Mapping[str, str]) -> None:
    if "interrupted" in ended.values():
        typer.echo("Interrupted and saved. Go on with the same command.")
        raise typer.Exit(130)


@app.command()
def binarygan(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where runs, figures and tables go.")],
    scale: Annotated[Scale, typer.Option(help="Seconds, an hour, or all of the paper's updates.")] = Scale.quick,
    part: Annotated[Part | None, typer.Option(help="One experiment alone.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of every run.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes, one thread each.")] = 2,
) -> None:
    """Experiments I to IV and figure 8's 12 runs (arXiv 1810.04714): figures, scores, one table.

    What is finished in DIR is not done again, so an interrupted command is repeated as it is.
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
    name = f"results-{part.value}" if part else "results"  # a part's table leaves those of others alone
    report_all(out, scale.value, ended, seed, facts, name)
    typer.echo(f"Table: {out / f'{name}.md'}; figures: {out / 'figures'}")


@app.command()
def bmusegan(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where runs, phrases, figures and the table go.")],
    data: Annotated[str, typer.Option(metavar="CORPUS|DIR", help="A corpus that comes along, or a folder with one.")],
    scale: Annotated[Scale, typer.Option(help="Seconds, an hour, or all of the paper's updates.")] = Scale.quick,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of every run.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes, one thread each.")] = 2,
) -> None:
    """Table 1 and figures 7 to 11 (arXiv 1804.09399) on a corpus, with our own default beside them.

    What is finished in DIR is not done again, so an interrupted command is repeated as it is.
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
