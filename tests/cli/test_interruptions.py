"""Signals, kills and full disks: nothing is lost, and a resumed run ends with the same bits."""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from children import command
from disturbances import FileLimit, KillAfter, KillAt, SignalAt
from small_run import RESUME, SMALL, bits

WRITING = ("bgmusic/files.py", "bgmusic/gan/callbacks.py", "bgmusic/gan/runs.py")


def resume(run: Path) -> None:
    ended = command(*RESUME, run, folder=run.parent)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("Finished: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
@pytest.mark.parametrize("step", [0, 16, 41])
def test_a_signal_saves_and_says_how_to_go_on(number: signal.Signals, step: int, whole: Path, tmp_path: Path) -> None:
    ended = command(*SMALL, "--out", "a run", folder=tmp_path, around=SignalAt(step, number))
    run = tmp_path / "a run"
    if step == 41:  # nothing was left to do
        assert ended.code == 0
    else:
        assert ended.code == 130
        assert (
            ended.out == "Interrupted and saved. Resume with: bgmusic train mnist --resume --out 'a run' --device cpu\n"
        )
        assert "Traceback" not in ended.err
        assert ended.err.count("Stopping after this update") == 1
        assert (run / "state.pt").exists()
        assert (run / "generator.safetensors").exists()
    resume(run)
    assert bits(run) == bits(whole)


def test_a_second_signal_stops_at_once(whole: Path, tmp_path: Path) -> None:
    ended = command(*SMALL, "--out", "run", folder=tmp_path, around=SignalAt(16, signal.SIGINT, signal.SIGTERM))
    assert ended.code == 130
    assert ended.out.startswith(
        "Stopped. Resume from the last checkpoint: bgmusic train mnist --resume --out run --device cpu"
    )
    assert "Traceback" not in ended.err
    resume(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(whole)


@pytest.mark.parametrize("size", [500, 2000, 30_000, 100_000, 200_000])
def test_no_space_is_one_line_and_loses_nothing(size: int, whole: Path, tmp_path: Path) -> None:
    """The limits fail at the config, a log, a picture, a generator and a state."""
    ended = command(*SMALL, "--out", "run", folder=tmp_path, around=FileLimit(size))
    last = ended.err.splitlines()[-1]  # after the lines of progress
    assert ended.code == 2
    assert last.startswith("bgmusic: error: File too large: ")
    assert "Traceback" not in ended.err
    assert not list(tmp_path.rglob("*.tmp"))
    run = tmp_path / "run"
    if not run.exists():  # not even the config could be written
        assert {p.name for p in tmp_path.iterdir()} == {".stdout", ".stderr"}
        assert command(*SMALL, "--out", "run", folder=tmp_path).code == 0
    else:
        resume(run)
    assert bits(run) == bits(whole)


def test_a_disk_that_fills_up_later_keeps_the_last_checkpoint(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert command(*SMALL, "--out", "run", folder=tmp_path, around=SignalAt(16, signal.SIGINT)).code == 130
    before = (run / "state.pt").read_bytes()
    ended = command(*RESUME, run, folder=tmp_path, around=FileLimit(len(before) // 2))
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == f"bgmusic: error: File too large: {run / 'state.pt'}"
    assert (run / "state.pt").read_bytes() == before
    resume(run)
    assert bits(run) == bits(whole)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How many calls and returns a whole training has, in all and while it writes files."""
    counts = {}
    for name, files in (("all", ()), ("writing", WRITING)):
        folder = tmp_path_factory.mktemp(name)
        assert command(*SMALL, "--out", "run", folder=folder, around=KillAt(None, files, folder / "tally")).code == 0
        counts[name] = json.loads((folder / "tally").read_text())
    assert counts["all"] > counts["writing"] > 1000
    return counts


DICE = random.Random(20181025)
MOMENTS = [("all", DICE.random()) for _ in range(8)] + [("writing", DICE.random()) for _ in range(12)]


@pytest.mark.parametrize(("kind", "share"), MOMENTS, ids=[f"{kind}-{share:.3f}" for kind, share in MOMENTS])
def test_killed_at_a_random_moment(
    kind: str, share: float, events: dict[str, int], whole: Path, tmp_path: Path
) -> None:
    n = 1 + int(share * 0.98 * events[kind])  # a run has a few events more or less than another
    ended = command(*SMALL, "--out", "run", folder=tmp_path, around=KillAt(n, WRITING if kind == "writing" else ()))
    assert ended.code == -signal.SIGKILL
    resume(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(whole)


def test_killed_over_and_over(events: dict[str, int], whole: Path, tmp_path: Path) -> None:
    """Each attempt dies while it writes; now and then one reaches a further checkpoint."""
    dice = random.Random(7)
    arguments: list[Any] = [*SMALL, "--out", "run"]
    for _ in range(5):
        n = dice.randrange(events["writing"] // 8, events["writing"] // 3)
        ended = command(*arguments, folder=tmp_path, around=KillAt(n, WRITING))
        arguments = [*RESUME, "run"]
        if ended.code == 0:
            break
        assert ended.code == -signal.SIGKILL
    resume(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(whole)
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("seconds", [0.2, 0.35, 0.5])
def test_killed_by_the_clock_be_it_within_a_system_call(seconds: float, whole: Path, tmp_path: Path) -> None:
    """When it dies depends on the machine, perhaps before its folder exists or never; what follows does not."""
    ended = command(*SMALL, "--out", "run", folder=tmp_path, around=KillAfter(seconds))
    assert ended.code in (0, -signal.SIGPROF)
    if not (tmp_path / "run").exists():
        assert command(*SMALL, "--out", "run", folder=tmp_path).code == 0
    resume(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(whole)


def test_a_finished_training_is_made_longer(whole: Path, tmp_path: Path) -> None:
    """Where nothing follows the share of the training that is done, it ends as one that was so long from the start."""
    run = tmp_path / "run"
    assert command(*SMALL, "--steps", 19, "--out", run, folder=tmp_path).code == 0
    assert command(*RESUME, run, "--steps", 42, folder=tmp_path).code == 0
    for name in ("config.yaml", "generator.safetensors", "samples/step-0000042.png"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    # Its new end is kept: nothing is left to do, and it can't be made shorter.
    resume(run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for options, why in (
        (["--steps", 42], "run has made 42 updates already"),
        (["--minutes", 0.001], "minutes already"),
        (["--steps", 10**12], "training.steps: "),
        (["--steps", 50, "--minutes", 1], "two budgets"),
    ):
        ended = command(*RESUME, run, *options, folder=tmp_path)
        assert ended.code == 2
        assert why in ended.err
        assert ended.err.count("\n") == 1
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_training_by_steps_goes_on_by_minutes_and_back(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert command(*SMALL, "--steps", 3, "--out", run, folder=tmp_path).code == 0
    assert command(*RESUME, run, "--minutes", 0.05, folder=tmp_path).code == 0
    timings = (run / "timings.jsonl").read_text().splitlines()
    steps = json.loads(timings[-1])["step"]
    assert steps > 3
    assert command(*RESUME, run, "--steps", steps + 5, folder=tmp_path).code == 0
    assert json.loads((run / "timings.jsonl").read_text().splitlines()[-1])["step"] == steps + 5


@pytest.mark.parametrize("name", ["state.pt", "metrics.jsonl"])
def test_a_run_without_one_of_its_files_still_ends(name: str, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / name).unlink()
    resume(run)
    assert (run / "generator.safetensors").read_bytes() == (whole / "generator.safetensors").read_bytes()
    if name == "state.pt":  # all over again
        assert bits(run) == bits(whole)
