"""Score samples during training: the curves of BinaryMuseGAN's figures 9 and 11.

Scores use the same few noises each time, so they cost little, do not touch the training's random numbers, and are
identical in a run that was killed and resumed.
"""

from __future__ import annotations

import json
from math import isfinite

import numpy as np

from bgmusic.files import append_bytes
from bgmusic.music.composing.generate import phrases, to_rolls
from bgmusic.music.corpora.corpus import Corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.statistics import Statistic, mean_distance, statistics
from bgmusic.music.rolls.phrase_files import write_phrases
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.loop import Callback, Training
from bgmusic.training.runs import Run

FILE = "scores.jsonl"
DISTANCE = "distance"

_SCORED, _OF_DATA = 64, 256  # phrases
_KEPT = 4  # phrases of each time, for a timelapse
_SEED = 0
_MOST_CELLS = 1 << 23  # of the phrases scored at a time


class Scores(Callback):
    """Append scores to ``scores.jsonl`` and keep a few phrases, ``samples/step-0000200.npz``, at regular intervals.

    A line has the ``step``, the mean of each statistic over the samples (null if undefined), and ``distance``: the mean
    distance of the samples to training phrases over the core statistics (``mean_distance``). The first line scores the
    untrained generator. With ``every`` 0 nothing is scored.
    """

    def __init__(self, run: Run, shape: RollShape, corpus: Corpus, every: int) -> None:
        self._run, self._shape, self._corpus, self._every = run, shape, corpus, every
        self._data: tuple[Statistic, ...] = ()

    def start(self, training: Training) -> None:
        """Remove lines after the last checkpoint of an interrupted run, and score an untrained generator."""
        if not self._every:
            return
        self._data = statistics(data_phrases(self._corpus, self._shape))
        self._run.truncate(FILE, training.steps_done or -1)
        if not training.steps_done:
            self._score(training)

    def step(self, training: Training) -> None:
        """Score every ``every`` updates."""
        if self._every and training.steps_done % self._every == 0:
            self._score(training)

    def end(self, training: Training, interrupted: bool) -> None:
        """Score the final generator."""
        if self._every and not interrupted and training.steps_done % self._every:
            self._run.truncate(FILE, training.steps_done - 1)  # a finished run that is resumed has this score already
            self._score(training)

    def _score(self, training: Training) -> None:
        count = _some(_SCORED, self._shape)
        made = stack_rolls(to_rolls(phrases(training.sampler, self._shape, count, _SEED), self._shape))
        found = statistics(made)
        values = {DISTANCE: mean_distance(found, self._data)} | means(found)
        scores = {name: value if isfinite(value) else None for name, value in values.items()}
        line = {"step": training.steps_done} | scores
        folder = self._run.path / "samples"
        folder.mkdir(exist_ok=True)
        write_phrases(made[:_KEPT], folder / f"step-{training.steps_done:07d}.npz", step=training.steps_done)
        append_bytes(self._run.path / FILE, (json.dumps(line) + "\n").encode())


def data_phrases(corpus: Corpus, shape: RollShape) -> Phrases:
    """Return the training phrases that scores are compared with: evenly spread ones, in the run's encoding."""
    numbers = corpus.indices("train")
    chosen = np.linspace(0, len(numbers) - 1, min(_some(_OF_DATA, shape), len(numbers))).astype(np.int64)
    return corpus_phrases(corpus, numbers[chosen]).encoded(shape.encoding)


def means(found: tuple[Statistic, ...]) -> dict[str, float]:
    """Return each statistic's mean by name, over its parts with observations; NaN if there are none."""
    return {of.name: _mean([part.mean() for part in of.parts if part]) for of in found}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _some(count: int, shape: RollShape) -> int:
    return max(8, min(count, _MOST_CELLS // shape.cells))
