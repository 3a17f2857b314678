"""Make the report of a digits run as one HTML page: samples, scores, loss curves and config."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy.typing as npt
from PIL import Image

from bgmusic.digits.data import load_digits
from bgmusic.digits.pictures import grid
from bgmusic.digits.samples import load_generator, preactivated, sample
from bgmusic.digits.scores import Scorer
from bgmusic.training.report.facts import facts, loss_charts
from bgmusic.training.report.page import data_uri, page
from bgmusic.training.runs import Run
from bgmusic.version import __version__
from bgmusic.yaml import dump_yaml

_TEMPLATES = Path(__file__).parent / "templates"
_SHOWN, _COLUMNS = 100, 10  # a row of ten fits on a phone


def make_report(path: str | Path, number: int = 10_000, seed: int = 0, binarize: str = "ht", command: str = "") -> str:
    """Make the report of a digits run as a self-contained HTML page.

    Args:
        path: the run.
        number: number of digits to score against the 10,000 test digits.
        seed: seed of the digits.
        binarize: ``ht`` or ``bs``, for a real-valued generator.
        command: the command that makes the report, printed in it.

    Raises:
        UserError: the path is no digits run with a generator.

    """
    path = Path(path)
    config, generator = load_generator(path)
    images = sample(generator, number, seed, binarize)
    scorer = Scorer(load_digits("test").images())
    run = Run(path)
    return page(
        _TEMPLATES,
        "report.html",
        version=__version__,
        title=f"Report of {path.resolve().name}",
        command=command,
        facts=[*facts(run), ("neuron", f"{config.neuron}, estimator {config.estimator}")],
        config=dump_yaml(config),
        shown=min(_SHOWN, number),
        samples=_picture(images[:_SHOWN]),
        before=_picture(preactivated(generator, min(_SHOWN, number), seed)),
        losses=loss_charts(run),
        scores=scorer(images),
        floor=scorer.floor(number),
    )


def _picture(images: npt.NDArray[Any]) -> tuple[str, int, int]:
    """Return a grid of images as a data URI, with its width and height in pixels."""
    picture = Image.fromarray(grid(images, _COLUMNS))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return data_uri(buffer.getvalue(), "image/png"), *picture.size
