"""Run folders belong to one process at a time, and killed processes leave nothing that stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toys import toy_game

from bgmusic.errors import UserError
from bgmusic.gan.game import Game
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.locks import Lock
from bgmusic.training.runs import Run, environment
from bgmusic.training.session import resume, train

CONFIG = GameConfig(steps=2, batch=8)
HOLDER = """
import sys, time
from pathlib import Path
from bgmusic.training.locks import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""
KILLED_WHILE_CREATING = """
import os, signal, sys
from pathlib import Path
from bgmusic.training import runs
from bgmusic.gan.game_config import GameConfig
runs.usual_permissions = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
runs.Run.create(Path(sys.argv[1]), "toys", GameConfig(), {})
"""


def a_run(path: Path) -> Run:
    return Run.create(path, "toys", CONFIG, environment(3, "cpu", "bgmusic toys"))


def a_game() -> Game:
    return toy_game("dbn", **CONFIG.model_dump())


def draw(game: Game, path: Path) -> None:
    path.write_text("a picture")


def files(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_another_process_trains_there(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (run.path / ".state.pt.12345678.tmp").write_text("what the other process is writing now")
    with subprocess.Popen([sys.executable, "-c", HOLDER, run.path], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        before = files(run.path)
        for attempt in (
            lambda: train(Run(run.path), a_game(), CONFIG, draw, quiet=True),
            lambda: resume(Run(run.path), a_game()),
        ):
            with pytest.raises(UserError, match="in training by another process"):
                attempt()
        assert files(run.path) == before
        other.send_signal(signal.SIGKILL)
    # A killed process holds nothing.
    assert not resume(run, a_game())
    assert train(run, a_game(), CONFIG, draw, quiet=True)


def test_a_training_holds_its_run_and_lets_it_go(tmp_path: Path) -> None:
    run, refused = a_run(tmp_path / "run"), []

    def busy(game: Game, path: Path) -> None:
        with pytest.raises(UserError):
            Lock(run.path)
        refused.append(game.steps_done)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        train(run, a_game(), CONFIG, busy, quiet=True)
    assert refused == [2]
    Lock(run.path).release()
    run.hold()
    run.hold()
    with pytest.raises(UserError):
        Lock(run.path)
    run.release()
    Lock(run.path).release()


def test_a_run_is_held_on_the_way_from_resume_to_train(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    resume(run, a_game())
    with pytest.raises(UserError):
        resume(Run(run.path), a_game())
    assert train(run, a_game(), CONFIG, draw, quiet=True)
    assert resume(Run(run.path), a_game())


def test_what_a_process_killed_in_create_left_is_swept(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_WHILE_CREATING, tmp_path / "run"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert json.loads((left / "environment.json").read_text())["kind"] == "toys"
    # Not swept: what may be in the making, another run's, and what somebody keeps under such a name.
    others = [tmp_path / name for name in (".run.fresh000.tmp", ".run.2.aaaaaaaa.tmp", ".run.mine0000.tmp")]
    for other in others:
        other.mkdir()
    (others[2] / "thesis.txt").write_text("mine")
    long_ago = time.time() - 1000
    for path in (left, *others[1:]):
        os.utime(path, (long_ago, long_ago))
    run = a_run(tmp_path / "run")
    assert set(tmp_path.iterdir()) == {run.path, *others}
