"""Test when checkpoints are saved, by a clock of the test, and that the last two are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_runs import CONFIG, make_game, make_run

from bgmusic.errors import UserError
from bgmusic.training.callbacks import Checkpoints
from bgmusic.training.checkpoints import read_state
from bgmusic.training.loop import Callback, Training
from bgmusic.training.runs import Run
from bgmusic.training.session import resume

RARE = CONFIG.model_copy(update={"checkpoint_every": 10**6, "steps": 30})


class Watch(Callback):
    """A clock that each update moves on; records the step of the checkpoint after each update."""

    def __init__(self, run: Run, seconds: float) -> None:
        self.run, self.seconds, self.now, self.saved = run, seconds, 0.0, [0]

    def __call__(self) -> float:
        return self.now

    def step(self, training: Training) -> None:
        self.now += self.seconds

    def note(self) -> None:
        self.saved.append((self.run.load_state() or {}).get("steps_done", 0))


class Note(Callback):
    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def step(self, training: Training) -> None:
        self.watch.note()


def saved_steps(run: Run, seconds: float) -> list[int]:
    """Train with updates of so many seconds; return the steps of the checkpoints."""
    watch = Watch(run, seconds)
    make_game(RARE).run([watch, Checkpoints(run, RARE, watch), Note(watch)])
    return sorted(set(watch.saved))


@pytest.mark.parametrize(("seconds", "steps"), [(1.0, []), (30.0, [*range(3, 31, 3)]), (500.0, [*range(1, 31)])])
def test_a_checkpoint_is_at_most_two_minutes_old(seconds: float, steps: list[int], tmp_path: Path) -> None:
    assert saved_steps(make_run(tmp_path / "run"), seconds) == [0, *steps]


def test_saving_takes_at_most_a_fiftieth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, save = make_run(tmp_path / "run"), Run.save_state
    watch = Watch(run, 30.0)

    def slow(self: Run, state: dict[str, Any]) -> None:
        watch.now += 6.0
        save(self, state)

    monkeypatch.setattr(Run, "save_state", slow)
    make_game(RARE).run([watch, Checkpoints(run, RARE, watch), Note(watch)])
    assert sorted(set(watch.saved)) == [0, 3, 13, 23]  # after 90 seconds, then every 300


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    make_game().run([Checkpoints(run, CONFIG)])  # saves after steps 4, 8 and 12, and at the end
    game = make_game()
    game.advance()
    run.save_state(game.state_dict())
    assert [read_state(run.path / name)["steps_done"] for name in ("state-before.pt", "state.pt")] == [12, 1]
    (run.path / "state.pt").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"state\.pt: corrupt.* rename state-before\.pt to state\.pt"):
        run.load_state()
    (run.path / "state-before.pt").rename(run.path / "state.pt")
    assert (run.load_state() or {})["steps_done"] == 12


def test_a_trained_run_without_its_state_is_not_trained_anew(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert not resume(run, make_game())
    make_game().run([Checkpoints(run, CONFIG)])
    trained = (run.path / "generator.safetensors").read_bytes()
    (run.path / "state.pt").unlink()
    with pytest.raises(UserError, match=r"state\.pt: missing.* rename state-before\.pt"):
        resume(run, make_game())
    (run.path / "state-before.pt").unlink()
    with pytest.raises(UserError, match="another folder"):
        run.with_budget(CONFIG, 100, None)
    assert (run.path / "generator.safetensors").read_bytes() == trained
