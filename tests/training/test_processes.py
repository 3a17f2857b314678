"""Several trainings at once, or one after the other."""

from __future__ import annotations

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


def ends(how: str) -> Callable[[], str]:
    return partial(str, how)


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_is_told_by_its_name(jobs: int) -> None:
    threads = torch.get_num_threads()
    ended = dict(run_named({"a": ends("finished"), "b": ends("there already")}, jobs))
    assert ended == {"a": "finished", "b": "there already"}
    assert torch.get_num_threads() == threads


def test_after_an_interruption_no_further_one_begins() -> None:
    trainings = {"a": ends("finished"), "b": ends("interrupted"), "c": ends("finished")}
    assert list(run_named(trainings, 1)) == [("a", "finished"), ("b", "interrupted")]


def wait_for(folder: Path, name: str) -> str:
    """A training that says that it runs, and stops as a training does: with a word of what it saved."""
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_runs_together_is_saved_together(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        await_files(tmp_path, "a runs", "b runs")
        process.send_signal(number)
        await_files(tmp_path, "a saved", "b saved")
        out, error = process.communicate(timeout=60)
    assert not (tmp_path / "c runs").exists()
    if number != signal.SIGKILL:
        assert sorted(out.split("\n")) == ["", "a interrupted", "b interrupted"]
        assert "Stopping after this update" in error
        assert process.returncode == 0


def await_files(folder: Path, *names: str) -> None:
    for _ in range(6000):
        if all((folder / name).exists() for name in names):
            return
        time.sleep(0.01)
    pytest.fail(f"no {names} within a minute")


def fails() -> str:
    raise UserError("a mistake")


def test_a_mistake_in_one_is_told_and_ends_the_others(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a mistake"):
        list(run_named({"a": partial(wait_for, tmp_path, "a"), "b": fails, "c": ends("finished")}, 2))
    assert (tmp_path / "a saved").exists() or not (tmp_path / "a runs").exists()
