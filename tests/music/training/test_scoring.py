"""Test scores during training: their values, resumption, and that they do not change the training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy_game

from bgmusic.music.composing.generate import phrases, to_rolls
from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.metrics.distributions import deviation, distance
from bgmusic.music.judging.statistics import mean_distance, statistics
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.phrase_files import read_phrases
from bgmusic.music.rolls.phrases import stack_rolls
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.training.pianoroll import resume_pianoroll, train_pianoroll
from bgmusic.music.training.scores import Scores
from bgmusic.training.logs import read_curves, thinned
from bgmusic.training.loop import Callback, Training
from bgmusic.training.runs import Run
from bgmusic.yaml import load_preset, merge, validate

TINY = {
    "neuron": "sbn",
    "network": {"latent": 8, "width": 0.07},
    "score_every": 2,
    "score_share": None,
    "training": {"steps": 5, "batch": 4, "d_updates": 1, "warmup": None, "checkpoint_every": 3, "log_every": 1},
}


def config_of(**changes: object) -> PianorollConfig:
    values = merge(load_preset("pianoroll", "satb"), TINY)
    return validate(PianorollConfig, merge(values, changes), "test")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "run"
    assert train_pianoroll(path, config_of(), "bach", seed=3, quiet=True, device="cpu")
    return path


@pytest.mark.slow
def test_scores_are_computed_from_samples_of_the_generator(whole: Path) -> None:
    lines = [json.loads(line) for line in (whole / "scores.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 2, 4, 5]
    # The last line is computed from the final generator.
    _, shape, generator = load_generator(whole)
    rolls = to_rolls(phrases(generator, shape, 64, 0), shape)
    samples = stack_rolls(rolls)
    assert lines[-1]["notes per bar"] == pytest.approx(np.mean([len(roll.notes()) / 4 for roll in rolls]))
    corpus = open_corpus("bach")
    numbers = corpus.indices("train")[np.linspace(0, len(corpus.indices("train")) - 1, 256).astype(int)]
    data = corpus_phrases(corpus, numbers)
    assert lines[-1]["distance"] == pytest.approx(mean_distance(statistics(samples), statistics(data)))
    kept, meta = read_phrases(whole / "samples" / "step-0000005.npz")
    assert np.array_equal(kept.cells, samples.cells[:4])
    assert meta["step"] == 5
    assert len(list((whole / "samples").glob("*.npz"))) == 4


def test_the_mean_distance_is_over_the_core_statistics() -> None:
    corpus = open_corpus("freedoom")
    one, two = (statistics(corpus_phrases(corpus, np.arange(start, start + 20))) for start in (0, 1000))
    values = []
    for statistic, real in zip(one, two, strict=True):
        if statistic.core:
            parts = [(p, q) for p, q in zip(statistic.parts, real.parts, strict=True) if q]
            values.append(np.mean([float(distance(p, q, deviation(q))) for p, q in parts]))
    assert len(values) == 12
    assert mean_distance(one, two) == pytest.approx(np.mean(values))
    assert mean_distance(two, two) == 0


@pytest.mark.slow
def test_a_killed_and_resumed_run_has_the_same_scores(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train_pianoroll(run, config_of(training={"steps": 3}), "bach", seed=3, quiet=True, device="cpu")
    # The run now looks like one killed at step 4 while it wrote a line, with a checkpoint of step 3.
    (run / "config.yaml").write_bytes((whole / "config.yaml").read_bytes())
    scores = (run / "scores.jsonl").read_text().splitlines(keepends=True)
    assert json.loads(scores[-1])["step"] == 3  # where the shorter training ended
    (run / "scores.jsonl").write_text("".join(scores[:-1]) + '{"step": 4, "distance": 1}\n{"step": 4, "dist')
    (run / "samples" / "step-0000003.npz").unlink()
    assert resume_pianoroll(run, quiet=True, device="cpu")
    for name in ("scores.jsonl", "metrics.jsonl", "generator.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    for path in (whole / "samples").glob("*.npz"):
        assert (run / "samples" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_restarts_its_scores(whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    for name in ("state.pt", "generator.safetensors"):
        (run / name).unlink()
    assert resume_pianoroll(run, quiet=True, device="cpu")
    assert (run / "scores.jsonl").read_bytes() == (whole / "scores.jsonl").read_bytes()


@pytest.mark.slow
def test_scoring_does_not_change_the_training(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train_pianoroll(run, config_of(score_every=0), "bach", seed=3, quiet=True, device="cpu")
    weights = [load_generator(path)[2].state_dict() for path in (whole, run)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert (run / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert not (run / "scores.jsonl").exists()
    assert not list((run / "samples").glob("*.npz"))


def test_curves_are_read_from_the_valid_numbers_of_untrusted_logs(tmp_path: Path) -> None:
    log = tmp_path / "scores.jsonl"
    assert read_curves(log) == {}
    log.write_bytes(
        b'{"step": 0, "a": 1, "b": null, "c": "x"}\n\xff\xfe\n[1]\n{"a": 2}\n{"step": "x"}\n'
        b'{"step": NaN, "a": 5}\n{"step": 1e400, "a": 5}\n'
        b'{"step": 2, "a": NaN, "b": 1e400, "c": true, "d": [1]}\n{"step": 1, "a": 9}\n'
        + b"[" * 100_000
        + b'\n{"step": 3, "a": 4, "b": -2.5}\n{"step": 4, "a"'
    )
    assert read_curves(log) == {"a": ([0, 3], [1, 4]), "b": ([3], [-2.5])}


def test_a_thinned_curve_keeps_its_ends() -> None:
    steps = [float(step) for step in range(1000)]
    few, values = thinned((steps, steps), 50)
    assert len(few) == 50
    assert (few[0], few[-1]) == (0, 999)
    assert few == values == sorted(set(few))
    assert thinned((steps, steps), 5000) == (steps, steps)


@pytest.mark.slow
def test_a_finished_run_has_its_last_score_once(whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    assert resume_pianoroll(run, quiet=True, device="cpu")
    assert (run / "scores.jsonl").read_bytes() == (whole / "scores.jsonl").read_bytes()


class Clock:
    """A clock that updates and samples move on: an update takes two seconds, a phrase a quarter of a second."""

    def __init__(self) -> None:
        self.now, self.scoring = 0.0, 0.0

    def __call__(self) -> float:
        return self.now

    def spend(self, phrases: int) -> None:
        self.now += phrases / 4
        self.scoring += phrases / 4


class Update(Callback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def step(self, training: Training) -> None:
        self.clock.now += 2.0


@pytest.mark.parametrize(
    ("steps", "lines"),
    [
        (12, []),  # two seconds for scores: less than eight phrases take
        (25, [(25, 16)]),  # five seconds, of which a batch of four takes one
        (300, [(0, 64), (200, 64), (300, 64)]),
    ],
)
def test_scoring_takes_at_most_a_tenth_of_the_time(
    steps: int, lines: list[tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, corpus = Clock(), open_corpus("bach")
    shape = corpus.settings.shape

    def phrases(generator: object, shape: RollShape, count: int, seed: int) -> np.ndarray:
        clock.spend(count)
        return np.concatenate(corpus.planes(np.arange(count)), axis=1)

    scores = Scores(Run(tmp_path), shape, corpus, 200, 0.1, clock)
    monkeypatch.setattr("bgmusic.music.training.scores.phrases", phrases)
    monkeypatch.setattr("bgmusic.music.training.scores.batch_of", lambda *_: 4)
    toy_game(steps=steps).run([Update(clock), scores])
    written = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()] if lines else []
    assert [(line["step"], line["phrases"]) for line in written] == lines
    assert clock.scoring <= 0.1 * 2.0 * steps
