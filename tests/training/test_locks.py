"""A run folder is held by one process at a time; a killed process leaves neither its lock nor an unfinished folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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


def test_a_folder_held_by_another_process_is_refused_and_unchanged(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (run.path / ".state.pt.12345678.tmp").write_text("a file that the other process is writing")
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
    # A killed process loses its lock.
    assert not resume(run, a_game())
    assert train(run, a_game(), CONFIG, draw, quiet=True)


def test_a_training_holds_its_run_and_releases_it(tmp_path: Path) -> None:
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


def test_a_run_is_held_between_resume_and_train(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    resume(run, a_game())
    with pytest.raises(UserError):
        resume(Run(run.path), a_game())
    assert train(run, a_game(), CONFIG, draw, quiet=True)
    assert resume(Run(run.path), a_game())


def test_the_folder_of_a_process_killed_in_create_is_removed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_WHILE_CREATING, tmp_path / "run"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert json.loads((left / "environment.json").read_text())["kind"] == "toys"
    # Kept: a recent folder, another run's, and one with a user's file in it.
    others = [tmp_path / name for name in (".run.fresh000.tmp", ".run.2.aaaaaaaa.tmp", ".run.mine0000.tmp")]
    for other in others:
        other.mkdir()
    (others[2] / "thesis.txt").write_text("mine")
    long_ago = time.time() - 1000
    for path in (left, *others[1:]):
        os.utime(path, (long_ago, long_ago))
    run = a_run(tmp_path / "run")
    assert set(tmp_path.iterdir()) == {run.path, *others}


def test_folders_that_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "missing")
    assert not list(tmp_path.iterdir())
    target, folder = tmp_path / "target", tmp_path / "run"
    target.write_text("kept")
    folder.mkdir()
    (folder / ".lock").symlink_to(target)
    with pytest.raises(OSError, match="symbolic link"):
        Lock(folder)
    assert target.read_text() == "kept"


def test_a_lock_is_released_twice_and_by_any_thread(tmp_path: Path) -> None:
    lock = Lock(str(tmp_path))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lock.release).result()
    lock.release()
    Lock(tmp_path).release()


def acquire_soon(folder: Path) -> Lock:
    """Lock a folder; the child drops its copy of the lock when it is scheduled for the first time."""
    for _ in range(600):
        with suppress(UserError):
            return Lock(folder)
        time.sleep(0.1)
    return Lock(folder)


def test_a_forked_child_does_not_keep_the_lock_of_a_killed_parent(tmp_path: Path) -> None:
    script = "import os, sys, time\nfrom bgmusic.training.locks import Lock\nlock = Lock(sys.argv[1])\n"
    script += "child = os.fork() or time.sleep(600)\nprint(child, flush=True)\ntime.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            with pytest.raises(UserError):
                Lock(tmp_path)
            parent.send_signal(signal.SIGKILL)
            parent.wait()
            acquire_soon(tmp_path).release()
        finally:
            os.kill(child, signal.SIGKILL)
