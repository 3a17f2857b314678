"""Test that one process at a time trains in a run folder, and that a killed process leaves no lock and no folder."""

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
from toy_runs import draw, make_game, make_run

from bgmusic.errors import UserError
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.locks import Lock
from bgmusic.training.loop import Training
from bgmusic.training.runs import Run
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


def files_in(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_a_folder_locked_by_another_process_is_refused_and_unchanged(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", CONFIG)
    (run.path / ".state.pt.12345678.tmp").write_text("a file that the other process is writing")
    with subprocess.Popen([sys.executable, "-c", HOLDER, run.path], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        before = files_in(run.path)
        for attempt in (
            lambda: train(Run(run.path), make_game(CONFIG), CONFIG, draw, quiet=True),
            lambda: resume(Run(run.path), make_game(CONFIG)),
        ):
            with pytest.raises(UserError, match="another process"):
                attempt()
        assert files_in(run.path) == before
        other.send_signal(signal.SIGKILL)
    # A killed process loses its lock.
    assert not resume(run, make_game(CONFIG))
    assert train(run, make_game(CONFIG), CONFIG, draw, quiet=True)


def test_train_locks_its_run_and_unlocks_it_after_an_error(tmp_path: Path) -> None:
    run, refused = make_run(tmp_path / "run", CONFIG), []

    def draw_while_locked(training: Training, path: Path) -> None:
        with pytest.raises(UserError):
            Lock(run.path)
        refused.append(training.steps_done)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        train(run, make_game(CONFIG), CONFIG, draw_while_locked, quiet=True)
    assert refused == [2]
    Lock(run.path).release()
    run.hold()
    run.hold()
    with pytest.raises(UserError):
        Lock(run.path)
    run.release()
    Lock(run.path).release()


def test_a_run_stays_locked_between_resume_and_train(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", CONFIG)
    resume(run, make_game(CONFIG))
    with pytest.raises(UserError):
        resume(Run(run.path), make_game(CONFIG))
    assert train(run, make_game(CONFIG), CONFIG, draw, quiet=True)
    assert resume(Run(run.path), make_game(CONFIG))


@pytest.mark.slow
def test_the_folder_of_a_process_killed_in_create_is_removed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_WHILE_CREATING, tmp_path / "run"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert json.loads((left / "environment.json").read_text())["kind"] == "toys"
    # These are kept: a recent folder, one of another run, and one that holds a user's file.
    others = [tmp_path / name for name in (".run.fresh000.tmp", ".run.2.aaaaaaaa.tmp", ".run.user0000.tmp")]
    for other in others:
        other.mkdir()
    (others[2] / "thesis.txt").write_text("kept")
    long_ago = time.time() - 1000
    for path in (left, *others[1:]):
        os.utime(path, (long_ago, long_ago))
    run = make_run(tmp_path / "run", CONFIG)
    assert set(tmp_path.iterdir()) == {run.path, *others}


def test_a_missing_folder_or_a_symbolic_link_is_refused(tmp_path: Path) -> None:
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


def test_release_may_be_called_twice_and_from_any_thread(tmp_path: Path) -> None:
    lock = Lock(str(tmp_path))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lock.release).result()
    lock.release()
    Lock(tmp_path).release()


def lock_within_a_minute(folder: Path) -> Lock:
    """Lock a folder; a forked child drops its copy of the lock only when it first runs."""
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
            lock_within_a_minute(tmp_path).release()
        finally:
            os.kill(child, signal.SIGKILL)
