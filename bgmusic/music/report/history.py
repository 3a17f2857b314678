"""Show how a run's samples changed during training."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import Corpus
from bgmusic.music.judging.statistics import statistics
from bgmusic.music.pictures.phrase import png
from bgmusic.music.pictures.raster import used_rows
from bgmusic.music.pictures.sheet import sheet_picture
from bgmusic.music.pictures.timelapse import timelapse
from bgmusic.music.rolls.phrase_files import read_phrases
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.training.scores import COUNT, DISTANCE, FILE, data_phrases, means
from bgmusic.training.logs import Curve, read_curves
from bgmusic.training.report.charts import Chart, chart
from bgmusic.training.report.page import data_uri
from bgmusic.training.runs import Run

Frames = list[tuple[int, list[Roll]]]
"""Number of updates, and the phrases kept after them."""

_MAX_FRAMES = 60
_MAX_CELLS = 1 << 29  # of all frames
_KEPT, _MAX_KEPT = 4, 64  # phrases of a frame; phrases of a file that is read
_MAX_META = 1 << 22  # bytes
_STILLS = 6
_NAME = re.compile(r"step-(\d{1,15})\.npz")


@dataclass(frozen=True)
class Still:
    """A picture of a sample after ``step`` updates, as a data URI; width and height in pixels."""

    step: int
    picture: str
    width: int
    height: int


def score_curves(run: Run) -> dict[str, Curve]:
    """Read the curves of ``scores.jsonl`` by name, the mean distance first."""
    return {name: curve for name, curve in read_curves(run.path / FILE).items() if name != COUNT}


def data_values(corpus: Corpus, shape: RollShape) -> dict[str, float]:
    """Return the mean of each statistic over the training data; empty if the corpus has no training phrases."""
    if not len(corpus.indices("train")):
        return {}
    return means(statistics(data_phrases(corpus, shape)))


def score_charts(curves: dict[str, Curve], data: dict[str, float]) -> list[Chart]:
    """Make a chart of each score, with a dashed line at the training data's value."""
    charts = []
    for name, curve in curves.items():
        title = "mean distance to training phrases" if name == DISTANCE else name
        charts.append(chart(title, curve, data.get(name)))
    return charts


def read_frames(run: Run, shape: RollShape) -> Frames:
    """Read the phrases that the run kept during training: at most 60 frames, evenly spread.

    Files without phrases of the run's tracks and shape are skipped.
    """
    found: dict[int, Path] = {}
    for path in (run.path / "samples").glob("step-*.npz"):
        if match := _NAME.fullmatch(path.name):
            found[int(match[1])] = path
    steps = sorted(found)
    most = max(2, min(_MAX_FRAMES, _MAX_CELLS // (_KEPT * shape.cells)))
    if len(steps) > most:
        steps = [steps[round(place)] for place in np.linspace(0, len(steps) - 1, most)]
    kept: Frames = []
    expected = (len(shape.track_set), shape.bars, shape.steps, shape.track_set.pitches)
    for step in steps:
        try:
            phrases, _ = read_phrases(found[step], limit=_MAX_META + _MAX_KEPT * shape.cells)
        except (UserError, OSError):
            continue
        if phrases.cells.shape[1:] == expected and phrases.track_set == shape.track_set:
            kept.append((step, [phrases.roll(number) for number in range(min(_KEPT, len(phrases)))]))
    return kept


def make_stills(history: Frames) -> list[Still]:
    """Draw one phrase at up to six moments of the training, the first and the last included, with the same rows."""
    if len(history) > _STILLS:
        # Early updates change more than late ones.
        places = np.geomspace(1, len(history), _STILLS).round().astype(int) - 1
        history = [history[place] for place in np.unique(places)]
    rows = used_rows([rolls[0] for _, rolls in history]) if history else None
    result = []
    for step, rolls in history:
        picture = sheet_picture(rolls[:1], rows=rows)[0]
        result.append(Still(step, data_uri(png(picture), "image/png"), *picture.size))
    return result


def timelapse_uri(history: Frames) -> str | None:
    """Return the timelapse as a GIF in a data URI; None for fewer than two frames."""
    return data_uri(timelapse(history), "image/gif") if len(history) > 1 else None
