"""Test trainings in run folders: the files they write, and interrupted trainings that are resumed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy_runs import CONFIG, KIND, draw, make_game, make_run

from bgmusic.errors import UserError
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.callbacks import Interruption
from bgmusic.training.loop import Callback, Training
from bgmusic.training.protocols import Diverged
from bgmusic.training.runs import Run
from bgmusic.training.session import choose_device, resume, train
from bgmusic.training.weights import read_generator


def files_of(run: Run) -> dict[str, bytes]:
    names = ["generator.safetensors", "metrics.jsonl", *(f"samples/step-{n:07d}.png" for n in (6, 12))]
    return {name: (run.path / name).read_bytes() for name in names}


def scalars(run: Run) -> list[tuple[int, float]]:
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("g_loss")]


class Failing(Callback):
    """Raise an error at a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, training: Training) -> None:
        if training.steps_done == self.at:
            raise RuntimeError("failed on purpose")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = make_run(tmp_path_factory.mktemp("whole") / "run")
    assert train(run, make_game(), CONFIG, draw, quiet=True)
    return run


def test_a_finished_run_has_all_files(whole: Run) -> None:
    rows = [json.loads(line) for line in (whole.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 12]
    assert [row["d_updates"] for row in rows] == [5, 10, 12]
    timings = [json.loads(line) for line in (whole.path / "timings.jsonl").read_text().splitlines()]
    assert [row["step"] for row in timings] == [5, 10, 12]
    assert scalars(whole) == [(row["step"], pytest.approx(row["g_loss"])) for row in rows]
    config, weights = read_generator(whole.path / "generator.safetensors", KIND, GameConfig)
    assert config == CONFIG
    assert set(weights) == {"body.weight", "body.bias", "neuron.slope"}
    assert not [p for p in whole.path.rglob("*") if p.name.endswith(".tmp")]


@pytest.mark.parametrize("at", [1, 3, 4, 5, 7, 8, 11])
def test_a_failed_and_resumed_run_is_identical_to_an_uninterrupted_one(at: int, whole: Run, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(RuntimeError, match="on purpose"):
        train(run, make_game(), CONFIG, draw, [Failing(at)], quiet=True)
    game = make_game()
    assert resume(run, game) == (at > 4)
    assert game.steps_done == (at - 1) // 4 * 4
    assert train(run, game, CONFIG, draw, quiet=True)
    assert files_of(run) == files_of(whole)
    assert scalars(run) == scalars(whole)


def test_resuming_a_finished_run_changes_nothing(whole: Run) -> None:
    before = files_of(whole)
    game = make_game()
    assert resume(whole, game)
    assert train(whole, game, CONFIG, draw, quiet=True)
    assert files_of(whole) == before


def test_partly_written_files_of_a_killed_run_are_repaired(whole: Run, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(RuntimeError, match="on purpose"):
        train(run, make_game(), CONFIG, draw, [Failing(11)], quiet=True)
    lines = (run.path / "metrics.jsonl").read_bytes()
    (run.path / "metrics.jsonl").write_bytes(lines[:-30])
    (run.path / "timings.jsonl").write_bytes(b'{"step": 5}\n{"step": Infinity}\n[[[[')
    (run.path / ".state.pt.abc123.tmp").write_bytes(b"half a state")
    (run.path / "samples" / ".step-0000012.png.abc.tmp").write_bytes(b"half a picture")
    game = make_game()
    resume(run, game)
    assert train(run, game, CONFIG, draw, quiet=True)
    assert files_of(run) == files_of(whole)
    assert not [p for p in run.path.rglob("*") if p.name.endswith(".tmp")]


def test_a_diverging_training_keeps_its_last_checkpoint(tmp_path: Path) -> None:
    run, game = make_run(tmp_path / "run"), make_game()

    class Damage(Callback):
        def step(self, training: Training) -> None:
            if training.steps_done == 6:
                with torch.no_grad():
                    next(training.generator.parameters()).fill_(float("nan"))

    with pytest.raises(Diverged):
        train(run, game, CONFIG, draw, [Damage()], quiet=True)
    _, weights = read_generator(run.path / "generator.safetensors", KIND, GameConfig)
    assert all(weight.isfinite().all() for weight in weights.values())
    state = run.load_state()
    assert state is not None
    assert state["steps_done"] == 4


def test_choose_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(UserError, match=r"CUDA.*--device cpu"):
        choose_device("cuda")
    with pytest.raises(UserError, match="tpu"):
        choose_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"


def test_a_training_in_another_thread_installs_no_signal_handlers() -> None:
    def play() -> bool:
        with Interruption() as stop:
            return stop()

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(play).result() is False
