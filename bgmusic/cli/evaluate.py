"""``bgmusic evaluate``: how near generated samples are to real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    source: Annotated[Path, typer.Argument(metavar="RUN|FILE.npz", help="A run folder, or samples.")],
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the scores there.")] = None,
    number: Annotated[int, typer.Option("-n", min=6, max=100_000, help="Samples of a run to score.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of a run's samples.")] = 0,
    binarize: Annotated[str, typer.Option(help="For a real-valued generator: ht or bs.")] = "ht",
) -> None:
    """Score digits against the 10,000 test digits, beside the training digits' own score (the floor)."""
    import json

    from rich.console import Console
    from rich.table import Table

    from bgmusic.digits.data import load_digits
    from bgmusic.digits.sampling import load_generator, read_samples, sample
    from bgmusic.digits.scores import Scorer
    from bgmusic.files import write_text

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
    # After the table: a file that can't be written shall not cost the user the scores.
    if json_file:
        write_text(json_file, json.dumps({"scores": scores.as_dict(), "floor": floor.as_dict()}, indent=2) + "\n")
