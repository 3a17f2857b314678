"""Score samples during training: the curves of BinaryMuseGAN's figures 9 and 11.

Scores use the same few noises each time, so they cost little, do not touch the training's random numbers, and are
identical in a run that was killed and resumed, but for lines that were too costly.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from math import isfinite

import numpy as np

from bgmusic.files import append_bytes
from bgmusic.music.composing.generate import batch_of, phrases, to_rolls
from bgmusic.music.corpora.corpus import Corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.statistics import Statistic, mean_distance, statistics
from bgmusic.music.rolls.phrase_files import write_phrases
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.loop import Callback, Training
from bgmusic.training.protocols import SampleNetwork
from bgmusic.training.runs import Run

FILE = "scores.jsonl"
DISTANCE = "distance"
COUNT = "phrases"

_SCORED, _OF_DATA = 64, 256  # phrases
_FEWEST = 8  # phrases of a final score
_KEPT = 4  # phrases of each time, for a timelapse
_SEED = 0
_MOST_CELLS = 1 << 23  # of the phrases scored at a time


class Scores(Callback):
    """Append scores to ``scores.jsonl`` and keep a few phrases, ``samples/step-0000200.npz``, at regular intervals.

    A line has the ``step``, the number of ``phrases``, the mean of each statistic over them (null if undefined), and
    ``distance``: the mean distance of the samples to training phrases over the core statistics (``mean_distance``). The
    first line scores the untrained generator. With ``every`` 0 nothing is scored.

    Scoring takes at most ``share`` of the other time of the training so far, by measured cost. What costs more is left
    out; the final generator is then scored by fewer phrases, or not at all. So the lines of a short training depend on
    the machine; its weights do not.

    Args:
        run: the run folder.
        shape: shape of the generator's rolls.
        corpus: the training data.
        every: G updates between two scores.
        share: most time of scoring, as a share of the other time; None for no limit.
        clock: returns seconds.

    """

    def __init__(
        self,
        run: Run,
        shape: RollShape,
        corpus: Corpus,
        every: int,
        share: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._run, self._shape, self._corpus, self._every = run, shape, corpus, every
        self._share, self._clock = share, clock
        self._data: tuple[Statistic, ...] = ()
        self._begun, self._spent = clock(), 0.0
        self._each: float | None = None  # seconds for a phrase, once measured
        self._untrained: SampleNetwork | None = None  # still to be scored
        self._last: int | None = None  # step of the last score

    def start(self, training: Training) -> None:
        """Remove lines after the last checkpoint of an interrupted run, and score an untrained generator."""
        if not self._every:
            return
        self._begun = self._clock()
        self._run.truncate(FILE, training.steps_done or -1)
        if not training.steps_done:
            if self._share is None:
                self._score(training.sampler, 0, self._most)
            else:
                self._untrained = copy.deepcopy(training.sampler)

    def step(self, training: Training) -> None:
        """Score every ``every`` updates."""
        if not self._every or training.steps_done % self._every:
            return
        if self._untrained is not None:
            if self._affordable(training.sampler) >= 2 * self._most:
                self._score(self._untrained, 0, self._most)
            self._untrained = None
        if self._affordable(training.sampler) >= self._most:
            self._score(training.sampler, training.steps_done, self._most)

    def end(self, training: Training, interrupted: bool) -> None:
        """Score the final generator."""
        if not self._every or interrupted or self._last == training.steps_done:
            return
        count = min(self._most, self._affordable(training.sampler))
        if count >= min(_FEWEST, self._most):
            self._run.truncate(FILE, training.steps_done - 1)  # a finished run that is resumed has this score already
            self._score(training.sampler, training.steps_done, count)

    @property
    def _most(self) -> int:
        return _some(_SCORED, self._shape)

    def _affordable(self, sampler: SampleNetwork) -> int:
        """Return how many phrases may be scored now."""
        if self._share is None:
            return 2 * self._most
        begun = self._clock()
        left = self._share * (begun - self._begun - self._spent) - self._spent
        if left <= 0:
            return 0
        if self._each is None:  # measure a batch
            count = batch_of(sampler, self._shape)
            phrases(sampler, self._shape, count, _SEED)
            cost = self._clock() - begun
            self._spent += cost
            self._each = cost / count
            left -= cost
        return max(0, int(left / self._each)) if self._each else 2 * self._most

    def _score(self, sampler: SampleNetwork, step: int, count: int) -> None:
        begun = self._clock()
        self._data = self._data or statistics(data_phrases(self._corpus, self._shape))
        made = stack_rolls(to_rolls(phrases(sampler, self._shape, count, _SEED), self._shape))
        found = statistics(made)
        values = {DISTANCE: mean_distance(found, self._data)} | means(found)
        scores = {name: value if isfinite(value) else None for name, value in values.items()}
        line = {"step": step, COUNT: count} | scores
        folder = self._run.path / "samples"
        folder.mkdir(exist_ok=True)
        write_phrases(made[:_KEPT], folder / f"step-{step:07d}.npz", step=step)
        append_bytes(self._run.path / FILE, (json.dumps(line) + "\n").encode())
        cost = self._clock() - begun
        self._spent += cost
        self._each, self._last = cost / count, step


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
