"""Test several trainings at once, or one after another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from bgmusic.errors import UserError
from bgmusic.training.callbacks import Interruption
from bgmusic.training.processes import run_named


def outcome(text: str) -> Callable[[], str]:
    """Return a training that ends at once."""
    return partial(str, text)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_outcomes_are_yielded_by_name(jobs: int) -> None:
    threads = torch.get_num_threads()
    outcomes = dict(run_named({"a": outcome("finished"), "b": outcome("there already")}, jobs))
    assert outcomes == {"a": "finished", "b": "there already"}
    assert torch.get_num_threads() == threads


def test_no_training_starts_after_an_interruption() -> None:
    trainings = {"a": outcome("finished"), "b": outcome("interrupted"), "c": outcome("finished")}
    assert list(run_named(trainings, 1)) == [("a", "finished"), ("b", "interrupted")]


def wait_for(folder: Path, name: str) -> str:
    """Run until interrupted; create a file at the start and at the end."""
    with Interruption() as interrupted:
        (folder / f"{name} runs").touch()
        while not interrupted():
            time.sleep(0.01)
        (folder / f"{name} saved").touch()
    return "interrupted"


PROGRAM = """
import sys
from functools import partial
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from bgmusic.training.processes import run_named
from test_processes import wait_for
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, how in run_named({name: partial(wait_for, folder, name) for name in "abc"}, 2):
        print(name, how, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_interrupts_and_saves_all_running_trainings(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        await_files(tmp_path, "a runs", "b runs")
        process.send_signal(number)
        await_files(tmp_path, "a saved", "b saved")
        out, error = process.communicate(timeout=300)
    assert not (tmp_path / "c runs").exists()
    if number != signal.SIGKILL:
        assert sorted(out.split("\n")) == ["", "a interrupted", "b interrupted"]
        assert "Stopping after this update" in error
        assert process.returncode == 0


def await_files(folder: Path, *names: str) -> None:
    """Wait until files exist, at most five minutes."""
    for _ in range(6000):
        if all((folder / name).exists() for name in names):
            return
        time.sleep(0.05)
    pytest.fail(f"no {names} within five minutes")


def fail() -> str:
    raise UserError("a mistake")


@pytest.mark.slow
def test_an_error_in_one_training_is_raised_and_ends_the_others(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a mistake"):
        list(run_named({"a": partial(wait_for, tmp_path, "a"), "b": fail, "c": outcome("finished")}, 2))
    assert (tmp_path / "a saved").exists() or not (tmp_path / "a runs").exists()


def arrive() -> Callable[[], str]:
    """Send SIGTERM to this process, which has not started the training yet."""
    os.kill(os.getpid(), signal.SIGTERM)
    return outcome("finished")


class Arriving:
    """A training whose process gets SIGTERM when it unpickles the training."""

    def __reduce__(self) -> tuple[Callable[[], Callable[[], str]], tuple[()]]:
        return arrive, ()

    def __call__(self) -> str:
        raise NotImplementedError


@pytest.mark.slow
def test_a_signal_between_two_trainings_is_not_lost() -> None:
    assert list(run_named({"a": Arriving()}, 2)) == [("a", "interrupted")]
