"""Test signals, kills and full disks: a resumed run is identical to an uninterrupted one."""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from children import command
from disturbances import FakeClock, FileLimit, KillAfter, KillAt, SignalAt
from small_run import RESUME, SMALL, bits

WRITING = ("bgmusic/files.py", "bgmusic/training/callbacks.py", "bgmusic/training/runs.py")


def resume(run: Path) -> None:
    result = command(*RESUME, run, folder=run.parent)
    assert result.code == 0, result.err
    assert result.out.startswith("Finished: ")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
@pytest.mark.parametrize("step", [0, 16, 41])
def test_a_signal_saves_and_prints_how_to_resume(
    number: signal.Signals, step: int, whole: Path, tmp_path: Path
) -> None:
    result = command(*SMALL, "--out", "a run", folder=tmp_path, around=SignalAt(step, number))
    run = tmp_path / "a run"
    if step == 41:  # the signal came during the last update
        assert result.code == 0
    else:
        assert result.code == 130
        assert "bgmusic train mnist --resume --out 'a run' --device cpu" in result.out
        assert "Traceback" not in result.err
        assert result.err.count("Stopping") == 1
        assert (run / "state.pt").exists()
        assert (run / "generator.safetensors").exists()
    resume(run)
    assert bits(run) == bits(whole)


def test_a_second_signal_stops_at_once(whole: Path, tmp_path: Path) -> None:
    result = command(*SMALL, "--out", "run", folder=tmp_path, around=SignalAt(16, signal.SIGINT, signal.SIGTERM))
    assert result.code == 130
    assert "bgmusic train mnist --resume --out run --device cpu" in result.out
    assert "Traceback" not in result.err
    resume(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(whole)


@pytest.mark.slow
@pytest.mark.parametrize("size", [500, 2000, 30_000, 100_000, 200_000])
def test_a_full_disk_is_one_line_and_the_run_resumes(size: int, whole: Path, tmp_path: Path) -> None:
    """The limits are reached at the config, a log, a picture, a generator and a state."""
    result = command(*SMALL, "--out", "run", folder=tmp_path, around=FileLimit(size))
    last = result.err.splitlines()[-1]  # lines of progress come first
    assert result.code == 2
    assert last.startswith("bgmusic: error: ")
    assert "too large" in last
    assert "Traceback" not in result.err
    assert not list(tmp_path.rglob("*.tmp"))
    run = tmp_path / "run"
    if not run.exists():  # the config was not written
        assert {p.name for p in tmp_path.iterdir()} == {".stdout", ".stderr"}
        assert command(*SMALL, "--out", "run", folder=tmp_path).code == 0
    else:
        resume(run)
    assert bits(run) == bits(whole)


@pytest.mark.slow
def test_a_disk_that_becomes_full_keeps_the_last_checkpoint(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert command(*SMALL, "--out", "run", folder=tmp_path, around=SignalAt(16, signal.SIGINT)).code == 130
    before = (run / "state.pt").read_bytes()
    result = command(*RESUME, run, folder=tmp_path, around=FileLimit(len(before) // 2))
    assert result.code == 2
    assert str(run / "state.pt") in result.err.splitlines()[-1]
    assert (run / "state.pt").read_bytes() == before
    resume(run)
    assert bits(run) == bits(whole)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Count the calls and returns of a whole training, in total and in the modules that write files."""
    counts = {}
    for name, files in (("all", ()), ("writing", WRITING)):
        folder = tmp_path_factory.mktemp(name)
        assert command(*SMALL, "--out", "run", folder=folder, around=KillAt(None, files, folder / "tally")).code == 0
        counts[name] = json.loads((folder / "tally").read_text())
    assert counts["all"] > counts["writing"] > 1000
    return counts


RNG = random.Random(20181025)
MOMENTS = [("all", RNG.random()) for _ in range(8)] + [("writing", RNG.random()) for _ in range(12)]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "share"), MOMENTS, ids=[f"{kind}-{share:.3f}" for kind, share in MOMENTS])
def test_a_run_killed_at_a_random_moment_is_resumed(
    kind: str, share: float, events: dict[str, int], whole: Path, tmp_path: Path
) -> None:
    n = 1 + int(share * 0.98 * events[kind])  # the count varies a little between runs
    result = command(*SMALL, "--out", "run", folder=tmp_path, around=KillAt(n, WRITING if kind == "writing" else ()))
    assert result.code == -signal.SIGKILL
    resume(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(whole)


@pytest.mark.slow
def test_a_run_killed_again_and_again_is_resumed(events: dict[str, int], whole: Path, tmp_path: Path) -> None:
    """Every process is killed while it writes files; some reach another checkpoint before."""
    rng = random.Random(7)
    arguments: list[Any] = [*SMALL, "--out", "run"]
    for _ in range(5):
        n = rng.randrange(events["writing"] // 8, events["writing"] // 3)
        result = command(*arguments, folder=tmp_path, around=KillAt(n, WRITING))
        arguments = [*RESUME, "run"]
        if result.code == 0:
            break
        assert result.code == -signal.SIGKILL
    resume(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(whole)
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.2, 0.35, 0.5])
def test_a_run_killed_by_a_timer_is_resumed(seconds: float, whole: Path, tmp_path: Path) -> None:
    """A timer may kill it inside a system call, before its folder exists, or never: the result is the same."""
    result = command(*SMALL, "--out", "run", folder=tmp_path, around=KillAfter(seconds))
    assert result.code in (0, -signal.SIGPROF)
    if not (tmp_path / "run").exists():
        assert command(*SMALL, "--out", "run", folder=tmp_path).code == 0
    resume(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(whole)


@pytest.mark.slow
def test_a_finished_training_is_extended(whole: Path, tmp_path: Path) -> None:
    """Without schedules over the whole training, the result equals that of a training of the full length."""
    run = tmp_path / "run"
    assert command(*SMALL, "--steps", 19, "--out", run, folder=tmp_path).code == 0
    assert command(*RESUME, run, "--steps", 42, folder=tmp_path).code == 0
    for name in ("config.yaml", "generator.safetensors", "samples/step-0000042.png"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    # The new length is stored: there is nothing left to do, and it cannot be shortened.
    resume(run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for options, phrase in (
        (["--steps", 42], "42 updates already"),
        (["--minutes", 0.001], "minutes already"),
        (["--steps", 10**12], "training.steps: "),
        (["--steps", 50, "--minutes", 1], "--steps and --minutes"),
    ):
        result = command(*RESUME, run, *options, folder=tmp_path)
        assert result.code == 2
        assert phrase in result.err
        assert result.err.count("\n") == 1
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_training_by_steps_is_extended_by_minutes_and_by_steps_again(tmp_path: Path) -> None:
    run = tmp_path / "run"

    def train(*arguments: object) -> int:
        result = command(*arguments, folder=tmp_path, around=FakeClock())
        assert result.code == 0, result.err
        timings = (run / "timings.jsonl").read_text().splitlines()
        return int(json.loads(timings[-1])["step"])

    assert train(*SMALL, "--steps", 3, "--out", run) == 3
    assert train(*RESUME, run, "--minutes", 0.5) == 30
    assert train(*RESUME, run, "--steps", 35) == 35


@pytest.mark.slow
def test_a_run_without_its_log_is_resumed_but_not_without_its_state(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "metrics.jsonl").unlink()
    resume(run)
    assert (run / "generator.safetensors").read_bytes() == (whole / "generator.safetensors").read_bytes()
    (run / "state.pt").unlink()
    result = command(*RESUME, run, folder=tmp_path)
    assert result.code == 2
    assert "state.pt: missing" in result.err
    assert (run / "generator.safetensors").read_bytes() == (whole / "generator.safetensors").read_bytes()
