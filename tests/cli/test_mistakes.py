"""Test that every mistake of a user ends in exit code 2 and one line that names the cause, and changes no file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from children import command
from small_run import RESUME, SMALL

from bgmusic.training.locks import Lock

MISTAKES: dict[str, tuple[list[Any], str]] = {
    "unknown command": (["sing"], "'sing'"),
    "unknown option": (["info", "--loud"], "No such option: --loud"),
    "no subcommand": (["train"], "Missing command"),
    "no argument": (["generate"], "Missing argument 'RUN'"),
    "unknown preset": (["train", "mnist", "--config", "nope"], "'nope'; presets: "),
    "folder as config": (["train", "mnist", "--config", "."], "'.'"),
    "unknown key": ([*SMALL, "--set", "training.bacth=8"], "training.bacth: unknown key"),
    "key below a value": ([*SMALL, "--set", "neuron.kind=8"], "neuron"),
    "no value": ([*SMALL, "--set", "training.batch"], "expected KEY=VALUE"),
    "bad value": ([*SMALL, "--set", "training.batch=many"], "training.batch: "),
    "value out of range": ([*SMALL, "--set", "training.g_optimizer.betas=[1, 1]"], "training.g_optimizer.betas.0: "),
    "invalid YAML": ([*SMALL, "--set", "training.batch=2001-99-99"], "not valid YAML"),
    "uneven batch": ([*SMALL, "--set", "training.accumulate=3"], "split evenly"),
    "batch norm of one": ([*SMALL, "--set", "training.batch=1"], "batch norm"),
    "huge networks": ([*SMALL, "--set", f"network.g_widths={[16_384] * 16}"], "networks of "),
    "unknown estimator": ([*SMALL, "--set", "estimator=magic"], "'magic'"),
    "unknown network": ([*SMALL, "--network", "rnn"], "Invalid value for '--network'"),
    "unknown neuron": ([*SMALL, "--neuron", "cell"], "Invalid value for '--neuron'"),
    "unknown objective": ([*SMALL, "--objective", "best"], "Invalid value for '--objective'"),
    "unknown device": ([*SMALL, "--device", "tpu"], "Invalid value for '--device'"),
    "zero steps": ([*SMALL, "--steps", 0], "Invalid value for '--steps'"),
    "steps are a word": ([*SMALL, "--steps", "ten"], "Invalid value for '--steps'"),
    "too many steps": ([*SMALL, "--steps", 10**12], "training.steps: "),
    "two budgets": ([*SMALL, "--minutes", 1], "--steps and --minutes"),
    "minutes are nan": (["train", "mnist", "--config", "paper", "--minutes", "nan"], "Invalid value for '--minutes'"),
    "infinite minutes": (["train", "mnist", "--config", "paper", "--minutes", "inf"], "--minutes inf"),
    "seed below zero": ([*SMALL, "--seed", -1], "Invalid value for '--seed'"),
    "resume without a run": (["train", "mnist", "--resume"], "--resume needs --out RUN"),
    "resume of a missing run": ([*RESUME, "none"], "no run none"),
    "resume with changes": ([*RESUME, "none", "--seed", 3], "--resume"),
    "resume of a folder": ([*RESUME, "folder"], "folder is not a run"),
    "resume of a file": ([*RESUME, "file"], "file is not a run"),
    "run in a taken folder": ([*SMALL, "--out", "folder"], "folder exists already; it is no run"),
    "run in place of a file": ([*SMALL, "--out", "file"], "file exists already"),
    "run below a file": ([*SMALL, "--out", "file/run"], "File exists: file"),
    "run where no folder can be made": ([*SMALL, "--out", "/proc/none/run"], "/proc/none"),
    "run with a long name": ([*SMALL, "--out", "n" * 300], "File name too long"),
    "generate from a missing run": (["generate", "none"], "no run none"),
    "generate from a file": (["generate", "file"], "file is a file"),
    "option without its value": (["compose", "bach", "--chords"], "(see bgmusic compose --help)"),
    "unknown key of a union": (
        ["train", "pianoroll", "--data", "bach", "--set", "network.widht=3"],
        "--set: network.widht:",
    ),
    "generate from a folder": (["generate", "folder"], "folder is not a run"),
    "generate an unknown format": (
        ["generate", "none", "--format", "png,gif"],
        "'gif'",
    ),
    "generate zero": (["generate", "none", "-n", 0], "Invalid value for '-n' / '--number'"),
    "generate too many": (["generate", "none", "-n", 10**9], "Invalid value for '-n' / '--number'"),
    "evaluate a missing run": (["evaluate", "none"], "no file, folder or run none"),
    "evaluate a missing file": (["evaluate", "none.npz"], "no file, folder or run none.npz"),
    "evaluate no npz": (["evaluate", "file"], "file: "),
    "evaluate too few": (["evaluate", "none", "-n", 2], "Invalid value for '-n'"),
}


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """Copy the finished run, so that it may be changed."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name: str, tmp_path: Path) -> None:
    args, text = MISTAKES[name]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").write_text("kept")
    (tmp_path / "file").write_text("kept")
    result = command(*args, folder=tmp_path)
    assert result.is_user_error(), (result.code, result.err)
    assert text in result.err
    assert result.out == ""
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")} - {".stdout", ".stderr"}
    assert left == {"folder", "folder/kept", "file"}
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "kept").read_text() == "kept"


def test_a_run_is_never_overwritten(run: Path) -> None:
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    result = command(*SMALL, "--out", "run", folder=run.parent)
    assert result.is_user_error()
    assert "run exists already" in result.err
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_a_missing_gpu_is_one_line(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    result = command("train", "mnist", "--config", "paper", "--device", "cuda", folder=tmp_path)
    assert result.is_user_error()
    assert "--device cpu" in result.err


def test_a_run_locked_by_another_process_is_one_line_and_unchanged(run: Path) -> None:
    (run / ".state.pt.abcdefgh.tmp").write_bytes(b"written by the other process")
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    lock = Lock(run)
    result = command(*RESUME, "run", folder=run.parent)
    lock.release()
    assert result.is_user_error(), result.err
    assert "another process" in result.err
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert command(*RESUME, "run", folder=run.parent).code == 0


def test_a_diverging_training_is_one_line(tmp_path: Path) -> None:
    rates = ["--set", "training.g_optimizer.rate=1e30", "--set", "training.d_optimizer.rate=1e30"]
    result = command(*SMALL, *rates, "--out", "run", folder=tmp_path)
    assert result.is_user_error(), result.err
    assert "diverged before step" in result.err
    assert not (tmp_path / "run" / "state.pt").exists()
