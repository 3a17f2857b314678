"""Test train, generate, evaluate and info on digits, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from children import command
from disturbances import FewTestDigits, FileLimit
from PIL import Image
from small_run import RESUME

import bgmusic
from bgmusic.yaml import presets

STEPS = ["--steps", 2, "--set", "training.warmup=null", "--set", "training.batch=8"]


def test_train_writes_a_run_and_suggests_the_next_command(whole: Path) -> None:
    names = {"config.yaml", "environment.json", "metrics.jsonl", "timings.jsonl", "samples", "tensorboard"}
    assert {p.name for p in whole.iterdir()} == names | {
        *("generator.safetensors", "state.pt", "state-before.pt", ".lock")
    }
    assert (whole.parent / ".stdout").read_text().startswith("Finished: run. Next: bgmusic generate run ")
    config = yaml.safe_load((whole / "config.yaml").read_text())
    assert (config["neuron"], config["training"]["batch"], config["training"]["steps"]) == ("sbn", 8, 42)
    known = json.loads((whole / "environment.json").read_text())
    assert known["seed"] == 5
    assert known["command"].startswith("bgmusic train mnist --config paper --neuron sbn --steps 42 ")
    steps = [json.loads(line)["step"] for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert steps == [*range(4, 41, 4), 42]
    with Image.open(whole / "samples" / "step-0000020.png") as picture:
        assert picture.size[0] > 400


@pytest.mark.slow
def test_train_numbers_new_runs(tmp_path: Path) -> None:
    for number in (1, 2):
        result = command("train", "mnist", "--config", "paper", *STEPS, folder=tmp_path)
        assert result.code == 0, result.err
        assert result.out.startswith(f"Finished: runs/mnist-00{number}. ")


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mlp", "cnn"])
@pytest.mark.parametrize("objective", sorted(presets("mnist/objectives")))
def test_train_accepts_every_network_and_objective(network: str, objective: str, tmp_path: Path) -> None:
    options = ["--network", network, "--neuron", "real", "--objective", objective, "--seed", 2**63 - 1, "--threads", 1]
    result = command("train", "mnist", "--config", "paper", *STEPS, *options, "--out", "run", folder=tmp_path)
    assert result.code == 0, result.err
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["network"]["kind"] == network
    assert config["training"]["objective"] == objective.removesuffix("-gp")
    result = command("generate", "run", "-n", 3, "--binarize", "bs", "--format", "npz", folder=tmp_path)
    assert result.code == 0, result.err


def test_train_by_a_config_file_and_minutes(tmp_path: Path) -> None:
    values = {"neuron": "dbn", "network": {"g_widths": [8], "d_widths": [8]}, "training": {"batch": 4}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(values))
    result = command("train", "mnist", "--config", "own.yaml", "--minutes", 0.001, "--out", "run", folder=tmp_path)
    assert result.code == 0, result.err
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["minutes"] == 0.001
    assert (tmp_path / "run" / "metrics.jsonl").read_text()
    assert command(*RESUME, "run", folder=tmp_path).code == 0


def test_generate_writes_bits_and_a_picture(whole: Path, tmp_path: Path) -> None:
    for out, seed in (("a", 7), ("b", 7), ("c", 8)):
        result = command("generate", whole, "-n", 20, "--seed", seed, "--out", out, folder=tmp_path)
        assert result.code == 0, result.err
        assert result.out.splitlines() == [f"20 samples: {out}/samples.npz", f"Picture of 20: {out}/samples.png"]
    samples = {}
    for out in ("a", "b", "c"):
        with np.load(tmp_path / out / "samples.npz") as file:
            assert file.files == ["samples"]
            samples[out] = file["samples"]
    assert samples["a"].shape == (20, 28, 28)
    assert samples["a"].dtype == np.uint8
    assert set(np.unique(samples["a"])) == {0, 1}
    assert (samples["a"] == samples["b"]).all()
    assert (samples["a"] != samples["c"]).any()
    with Image.open(tmp_path / "a" / "samples.png") as picture:
        picture.load()


@pytest.mark.parametrize(("formats", "names"), [("png", {"samples.png"}), ("npz", {"samples.npz"})])
def test_generate_writes_the_requested_formats(formats: str, names: set[str], whole: Path, tmp_path: Path) -> None:
    assert command("generate", whole, "-n", 2, "--out", "out", "--format", formats, folder=tmp_path).code == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == names


@pytest.mark.slow
def test_evaluate_scores_a_run_and_a_file_equally(whole: Path, tmp_path: Path) -> None:
    command("generate", whole, "-n", 60, "--seed", 3, "--format", "npz", "--out", ".", folder=tmp_path)
    scores = []
    for source in ([whole, "-n", 60, "--seed", 3], ["samples.npz"]):
        result = command("evaluate", *source, "--json", "scores.json", folder=tmp_path, around=FewTestDigits())
        assert result.code == 0, result.err
        assert "60 samples against the test digits" in result.out
        assert "precision" in result.out
        scores.append(json.loads((tmp_path / "scores.json").read_text()))
    assert scores[0] == scores[1]
    result = command("evaluate", "samples.npz", "-n", 20, folder=tmp_path, around=FewTestDigits())
    assert "20 samples against the test digits" in result.out
    assert set(scores[0]) >= {"scores", "floor"}
    assert scores[0]["scores"]["images"] == 60
    assert scores[0]["scores"]["fid"] > scores[0]["floor"]["fid"]
    assert sum(scores[0]["scores"]["classes"]) == pytest.approx(1)


def test_evaluate_prints_the_scores_if_it_cannot_write_them(whole: Path, tmp_path: Path) -> None:
    result = command("evaluate", whole, "-n", 20, "--json", "none/x.json", folder=tmp_path, around=FewTestDigits())
    assert result.is_user_error(), result.err
    assert "none/x.json" in result.err
    assert "precision" in result.out


@pytest.mark.parametrize("out", ["file", "file/deep", "/proc/none"])
def test_generate_to_an_unwritable_folder_is_one_line(out: str, whole: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    result = command("generate", whole, "-n", 2, "--out", out, folder=tmp_path)
    assert result.is_user_error(), result.err
    assert out.partition("/deep")[0] in result.err
    assert (tmp_path / "file").read_text() == "kept"


def test_generate_on_a_full_disk_keeps_the_old_samples(whole: Path, tmp_path: Path) -> None:
    assert command("generate", whole, "-n", 2, "--out", "out", folder=tmp_path).code == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    result = command("generate", whole, "-n", 500, "--out", "out", folder=tmp_path, around=FileLimit(5000))
    assert result.is_user_error(), result.err
    assert "out/samples.npz" in result.err
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


def test_info_lists_versions_presets_and_data(tmp_path: Path) -> None:
    result = command("info", folder=tmp_path)
    assert result.code == 0, result.err
    for word in ("bgmusic", torch.__version__, "paper", "straight-through", "mnist", "bfloat16"):
        assert word in result.out


@pytest.mark.parametrize(
    "args", [["--help"], ["-h"], [], ["train", "--help"], ["train", "mnist", "-h"], ["generate", "-h"]]
)
def test_help(args: list[str], tmp_path: Path) -> None:
    result = command(*args, folder=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert "Usage: bgmusic" in result.out


@pytest.mark.slow
def test_python_m_bgmusic_runs_the_same_command(tmp_path: Path) -> None:
    """Start new processes, as a user does: one that succeeds and one that fails."""
    start = [sys.executable, "-m", "bgmusic"]
    version = subprocess.run([*start, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert version.stdout.strip() == bgmusic.__version__
    args = ["train", "mnist", "--config", "nope"]
    result = subprocess.run([*start, *args], cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ)
    assert result.returncode == 2
    assert result.stderr.startswith("bgmusic: error: ")
    assert "'nope'" in result.stderr
    assert result.stderr.count("\n") == 1
