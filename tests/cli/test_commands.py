"""Every command: what it does, and how each mistake ends in one clear line and exit code 2."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from children import command
from disturbances import FewTestDigits, FileLimit
from PIL import Image
from small_run import RESUME, SMALL

from bgmusic.training.locks import Lock
from bgmusic.yaml import presets

STEPS = ["--steps", 2, "--set", "training.warmup=null", "--set", "training.batch=8"]


class Pickled:
    """Runs code when it is unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


# ---- what they do


def test_train_leaves_a_run_and_says_what_comes_next(whole: Path) -> None:
    names = {"config.yaml", "environment.json", "metrics.jsonl", "timings.jsonl", "samples", "tensorboard"}
    assert {p.name for p in whole.iterdir()} == names | {"generator.safetensors", "state.pt", ".lock"}
    assert (whole.parent / ".stdout").read_text().startswith("Finished: run. Next: bgmusic generate run ")
    config = yaml.safe_load((whole / "config.yaml").read_text())
    assert (config["neuron"], config["training"]["batch"], config["training"]["steps"]) == ("sbn", 8, 42)
    made = json.loads((whole / "environment.json").read_text())
    assert made["seed"] == 5
    assert made["command"].startswith("bgmusic train mnist --config paper --neuron sbn --steps 42 ")
    steps = [json.loads(line)["step"] for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert steps == [*range(4, 41, 4), 42]
    with Image.open(whole / "samples" / "step-0000020.png") as picture:
        assert picture.size[0] > 400


def test_train_numbers_its_runs(tmp_path: Path) -> None:
    for number in (1, 2):
        ended = command("train", "mnist", "--config", "paper", *STEPS, folder=tmp_path)
        assert ended.code == 0, ended.err
        assert ended.out.startswith(f"Finished: runs/mnist-00{number}. ")


@pytest.mark.parametrize("network", ["mlp", "cnn"])
@pytest.mark.parametrize("objective", sorted(presets("mnist/objectives")))
def test_train_with_its_options(network: str, objective: str, tmp_path: Path) -> None:
    options = ["--network", network, "--neuron", "real", "--objective", objective, "--seed", 2**63 - 1, "--threads", 1]
    ended = command("train", "mnist", "--config", "paper", *STEPS, *options, "--out", "run", folder=tmp_path)
    assert ended.code == 0, ended.err
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["network"]["kind"] == network
    assert config["training"]["objective"] == objective.removesuffix("-gp")
    made = command("generate", "run", "-n", 3, "--binarize", "bs", "--format", "npz", folder=tmp_path)
    assert made.code == 0, made.err


def test_train_from_ones_own_file_for_some_minutes(tmp_path: Path) -> None:
    mine = {"neuron": "dbn", "network": {"g_widths": [8], "d_widths": [8]}, "training": {"batch": 4}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    ended = command("train", "mnist", "--config", "mine.yaml", "--minutes", 0.001, "--out", "run", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["minutes"] == 0.001
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) >= 1
    assert command(*RESUME, "run", folder=tmp_path).code == 0


def test_generate_writes_bits_and_a_picture(whole: Path, tmp_path: Path) -> None:
    for out, seed in (("a", 7), ("b", 7), ("c", 8)):
        ended = command("generate", whole, "-n", 20, "--seed", seed, "--out", out, folder=tmp_path)
        assert ended.code == 0, ended.err
        assert ended.out.splitlines() == [f"20 samples: {out}/samples.npz", f"Picture of 20: {out}/samples.png"]
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
def test_generate_writes_what_it_is_told(formats: str, names: set[str], whole: Path, tmp_path: Path) -> None:
    assert command("generate", whole, "-n", 2, "--out", "out", "--format", formats, folder=tmp_path).code == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == names


def test_evaluate_scores_a_run_and_a_file_alike(whole: Path, tmp_path: Path) -> None:
    command("generate", whole, "-n", 60, "--seed", 3, "--format", "npz", "--out", ".", folder=tmp_path)
    scores = []
    for source in ([whole, "-n", 60, "--seed", 3], ["samples.npz"]):
        ended = command("evaluate", *source, "--json", "scores.json", folder=tmp_path, around=FewTestDigits())
        assert ended.code == 0, ended.err
        assert "60 samples against the test digits" in ended.out
        assert "precision" in ended.out
        scores.append(json.loads((tmp_path / "scores.json").read_text()))
    assert scores[0] == scores[1]
    ended = command("evaluate", "samples.npz", "-n", 20, folder=tmp_path, around=FewTestDigits())
    assert "20 samples against the test digits" in ended.out
    assert set(scores[0]) >= {"scores", "floor"}
    assert scores[0]["scores"]["images"] == 60
    assert scores[0]["scores"]["fid"] > scores[0]["floor"]["fid"]
    assert sum(scores[0]["scores"]["classes"]) == pytest.approx(1)


def test_info_tells_versions_presets_and_data(tmp_path: Path) -> None:
    ended = command("info", folder=tmp_path)
    assert ended.code == 0, ended.err
    for word in ("bgmusic", torch.__version__, "paper", "straight-through", "mnist", "bfloat16"):
        assert word in ended.out


@pytest.mark.parametrize(
    "args", [["--help"], ["-h"], [], ["train", "--help"], ["train", "mnist", "-h"], ["generate", "-h"]]
)
def test_help(args: list[str], tmp_path: Path) -> None:
    ended = command(*args, folder=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "Usage: bgmusic" in ended.out


# ---- mistakes

MISTAKES: dict[str, tuple[list[Any], str]] = {
    "unknown command": (["compose"], "No such command 'compose'"),
    "unknown option": (["info", "--loud"], "No such option: --loud"),
    "no subcommand": (["train"], "Missing command"),
    "no argument": (["generate"], "Missing argument 'RUN'"),
    "unknown preset": (["train", "mnist", "--config", "nope"], "no preset or file 'nope'; presets: "),
    "folder as config": (["train", "mnist", "--config", "."], "no preset or file '.'"),
    "unknown key": ([*SMALL, "--set", "training.bacth=8"], "training.bacth: unknown key"),
    "key below a value": ([*SMALL, "--set", "neuron.kind=8"], "neuron is a single value"),
    "no value": ([*SMALL, "--set", "training.batch"], "expected KEY=VALUE"),
    "bad value": ([*SMALL, "--set", "training.batch=many"], "training.batch: "),
    "value out of range": ([*SMALL, "--set", "training.g_optimizer.betas=[1, 1]"], "training.g_optimizer.betas.0: "),
    "odd yaml": ([*SMALL, "--set", "training.batch=2001-99-99"], "not valid YAML"),
    "uneven batch": ([*SMALL, "--set", "training.accumulate=3"], "can't be split evenly"),
    "batch norm of one": ([*SMALL, "--set", "training.batch=1"], "batch norm needs at least two samples"),
    "huge networks": ([*SMALL, "--set", f"network.g_widths={[16_384] * 16}"], "networks of "),
    "unknown estimator": ([*SMALL, "--set", "estimator=magic"], "unknown estimator 'magic'; known: "),
    "unknown network": ([*SMALL, "--network", "rnn"], "Invalid value for '--network'"),
    "unknown neuron": ([*SMALL, "--neuron", "cell"], "Invalid value for '--neuron'"),
    "unknown objective": ([*SMALL, "--objective", "best"], "Invalid value for '--objective'"),
    "unknown device": ([*SMALL, "--device", "tpu"], "Invalid value for '--device'"),
    "no steps": ([*SMALL, "--steps", 0], "Invalid value for '--steps'"),
    "steps in words": ([*SMALL, "--steps", "ten"], "Invalid value for '--steps'"),
    "too many steps": ([*SMALL, "--steps", 10**12], "training.steps: "),
    "two budgets": ([*SMALL, "--minutes", 1], "two budgets; give one"),
    "no minutes": (["train", "mnist", "--config", "paper", "--minutes", "nan"], "Invalid value for '--minutes'"),
    "endless minutes": (["train", "mnist", "--config", "paper", "--minutes", "inf"], "--minutes inf is no budget"),
    "seed below zero": ([*SMALL, "--seed", -1], "Invalid value for '--seed'"),
    "resume of nothing": (["train", "mnist", "--resume"], "--resume needs --out RUN"),
    "resume of no run": ([*RESUME, "none"], "there is no run none"),
    "resume with changes": ([*RESUME, "none", "--seed", 3], "--resume uses the run's own config"),
    "resume of a folder": ([*RESUME, "folder"], "folder is not a run: it has no config.yaml"),
    "resume of a file": ([*RESUME, "file"], "file is not a run"),
    "run in a taken folder": ([*SMALL, "--out", "folder"], "folder exists already; go on with --resume"),
    "run in place of a file": ([*SMALL, "--out", "file"], "file exists already"),
    "run below a file": ([*SMALL, "--out", "file/run"], "File exists: file"),
    "run where nothing can be": ([*SMALL, "--out", "/proc/none/run"], "/proc/none"),
    "run with an endless name": ([*SMALL, "--out", "n" * 300], "File name too long"),
    "generate from nothing": (["generate", "none"], "there is no run none"),
    "generate from a folder": (["generate", "folder"], "folder is not a run: it has no config.yaml"),
    "generate no format": (
        ["generate", "none", "--format", "png,gif"],
        "'gif' is none of flac, mid, mp3, npz, ogg, png, wav",
    ),
    "generate none": (["generate", "none", "-n", 0], "Invalid value for '-n' / '--number'"),
    "generate too many": (["generate", "none", "-n", 10**9], "Invalid value for '-n' / '--number'"),
    "evaluate nothing": (["evaluate", "none"], "there is no run none"),
    "evaluate a missing file": (["evaluate", "none.npz"], "No such file or directory: none.npz"),
    "evaluate no npz": (["evaluate", "file"], "file: not an npz file with samples in it"),
    "evaluate too few": (["evaluate", "none", "-n", 2], "Invalid value for '-n'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_clear_line(name: str, tmp_path: Path) -> None:
    args, text = MISTAKES[name]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    ended = command(*args, folder=tmp_path)
    assert ended.is_mistake(), (ended.code, ended.err)
    assert text in ended.err
    assert ended.out == ""
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")} - {".stdout", ".stderr"}
    assert left == {"folder", "folder/mine", "file"}
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "mine").read_text() == "mine"


def test_a_run_is_never_overwritten(run: Path) -> None:
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    ended = command(*SMALL, "--out", "run", folder=run.parent)
    assert ended.is_mistake()
    assert ended.err == "bgmusic: error: run exists already; go on with --resume, or choose another --out\n"
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_no_cuda_is_said(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    ended = command("train", "mnist", "--config", "paper", "--device", "cuda", folder=tmp_path)
    assert ended.is_mistake()
    assert "no CUDA device here; use --device cpu" in ended.err


def test_a_diverging_training_is_one_line(tmp_path: Path) -> None:
    rates = ["--set", "training.g_optimizer.rate=1e30", "--set", "training.d_optimizer.rate=1e30"]
    ended = command(*SMALL, *rates, "--out", "run", folder=tmp_path)
    assert ended.is_mistake(), ended.err
    assert "training diverged before step" in ended.err
    assert not (tmp_path / "run" / "state.pt").exists()


def saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def a_bomb(run: Path) -> Pickled:
    return Pickled(run.parent / "mark")


CORRUPT: dict[str, tuple[str, Any]] = {
    "pickle bomb as state": ("state.pt", lambda run: pickle.dumps(a_bomb(run))),
    "bomb within a state": ("state.pt", lambda run: saved({"version": 1, "rng": a_bomb(run)})),
    "old bomb within a state": (
        "state.pt",
        lambda run: saved({"version": 1, "rng": a_bomb(run)}, _use_new_zipfile_serialization=False),
    ),
    "cut state": ("state.pt", lambda run: (run / "state.pt").read_bytes()[:5000]),
    "empty state": ("state.pt", lambda run: b""),
    "state of something else": ("state.pt", lambda run: saved({"version": 1})),
    "python in the config": ("config.yaml", lambda run: b"a: !!python/object/apply:os.system ['touch mark']"),
    "binary config": ("config.yaml", lambda run: bytes(range(256))),
    "huge config": ("config.yaml", lambda run: b"#" * 10**7),
    "config with unknown keys": ("config.yaml", lambda run: b"more: 1"),
    "config of huge networks": (
        "config.yaml",
        lambda run: b"network: {g_widths: " + str([16_384] * 16).encode() + b"}",
    ),
    "config of other networks": ("config.yaml", lambda run: b"network: {g_widths: [17]}"),
    "cut environment": ("environment.json", lambda run: b'{"kind": "dig'),
    "nested environment": ("environment.json", lambda run: b"[" * 90_000),
    "seed too large": ("environment.json", lambda run: b'{"kind": "digits", "seed": 1' + b"0" * 100 + b"}"),
    "endless minutes": ("environment.json", lambda run: b'{"kind": "digits", "seed": 1, "minutes": Infinity}'),
    "run of music": ("environment.json", lambda run: b'{"kind": "music", "seed": 1}'),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_run_is_one_line_and_stays_as_it_is(name: str, run: Path) -> None:
    file, make = CORRUPT[name]
    (run / file).write_bytes(make(run))
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    ended = command(*RESUME, "run", folder=run.parent)
    assert ended.is_mistake(), ended.err
    assert "run" in ended.err or "networks of 4," in ended.err
    assert not (run.parent / "mark").exists()
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_a_run_in_training_elsewhere_is_one_line_and_stays_as_it_is(run: Path) -> None:
    (run / ".state.pt.abcdefgh.tmp").write_bytes(b"what the other process is writing")
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    lock = Lock(run)
    ended = command(*RESUME, "run", folder=run.parent)
    lock.release()
    assert ended.is_mistake(), ended.err
    assert "run is in training by another process" in ended.err
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert command(*RESUME, "run", folder=run.parent).code == 0


@pytest.mark.parametrize(
    "text", [b"\x1b[31mred\x1b[0m", b"\xe2\x80\xa8next line", b"\x07", "\N{RIGHT-TO-LEFT OVERRIDE}".encode()]
)
def test_a_strangers_text_can_not_command_the_terminal(text: bytes, run: Path) -> None:
    (run / "config.yaml").write_bytes(b'"' + text.decode().encode("unicode_escape") + b'": 1')
    ended = command(*RESUME, "run", folder=run.parent)
    assert ended.code == 2
    assert ended.err.removesuffix("\n").isprintable()


HEADER = json.dumps({"w": {"dtype": "F32", "shape": [2**32], "data_offsets": [0, 2**34]}}).encode()
GENERATORS: dict[str, Any] = {
    "empty": lambda good, bomb: b"",
    "cut": lambda good, bomb: good[: len(good) // 2],
    "pickle bomb": lambda good, bomb: pickle.dumps(bomb),
    "zipped bomb": lambda good, bomb: saved(bomb),
    "header of a terabyte": lambda good, bomb: struct.pack("<Q", 2**40) + good[8:],
    "tensor of 16 gigabytes": lambda good, bomb: struct.pack("<Q", len(HEADER)) + HEADER + bytes(100),
    "of music": lambda good, bomb: good.replace(b'"kind":"digits"', b'"kind":"musics"'),
    "other widths": lambda good, bomb: good.replace(b'g_widths\\":[16]', b'g_widths\\":[99]'),
    "huge widths": lambda good, bomb: grown(good, [16_384] * 16),
    "unknown key": lambda good, bomb: good.replace(b"g_widths", b"g_wisdom"),
}


def grown(good: bytes, widths: list[int]) -> bytes:
    """The same generator, whose config claims other widths."""
    end = 8 + int.from_bytes(good[:8], "little")
    header = json.loads(good[8:end])
    config = json.loads(header["__metadata__"]["config"])
    config["network"]["g_widths"] = widths
    header["__metadata__"]["config"] = json.dumps(config)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + good[end:]


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize(
    "args", [["generate", "run", "-n", 2], ["evaluate", "run", "-n", 6]], ids=["generate", "evaluate"]
)
def test_a_corrupt_generator_is_one_line(name: str, args: list[Any], run: Path) -> None:
    path = run / "generator.safetensors"
    good = path.read_bytes()
    bad = GENERATORS[name](good, Pickled(run.parent / "mark"))
    assert bad != good
    path.write_bytes(bad)
    ended = command(*args, folder=run.parent)
    assert ended.is_mistake(), ended.err
    assert "run/generator.safetensors: " in ended.err
    assert not (run.parent / "mark").exists()
    assert not (run.parent / "samples").exists()


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def two_gigabytes() -> bytes:
    """An archive that says so of its member, which is all that a reader may need to know."""
    content = bytearray(archive(samples=np.zeros((9, 28, 28), np.uint8)))
    entry = content.index(b"PK\x01\x02")  # in the table of contents; 24 bytes on is the size once unpacked
    content[entry + 24 : entry + 28] = struct.pack("<I", 2**31)
    return bytes(content)


SAMPLES: dict[str, Any] = {
    "empty": lambda: b"",
    "no archive": lambda: b"PK\x03\x04nonsense",
    "another key": lambda: archive(images=np.zeros((9, 28, 28), np.uint8)),
    "another shape": lambda: archive(samples=np.zeros((9, 28), np.uint8)),
    "no images": lambda: archive(samples=np.zeros((0, 28, 28), np.uint8)),
    "too few images": lambda: archive(samples=np.zeros((3, 28, 28), np.uint8)),
    "floats": lambda: archive(samples=np.zeros((9, 28, 28))),
    "grey": lambda: archive(samples=np.full((9, 28, 28), 7, np.uint8)),
    "below zero": lambda: archive(samples=np.full((9, 28, 28), -1, np.int8)),
    "objects": lambda: archive(samples=np.array([Pickled(Path("mark"))], dtype=object)),
    "two gigabytes": two_gigabytes,
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_that_are_none_are_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "samples.npz").write_bytes(SAMPLES[name]())
    ended = command("evaluate", "samples.npz", folder=tmp_path)
    assert ended.is_mistake(), ended.err
    assert "samples.npz: " in ended.err
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("out", ["file", "file/deep", "/proc/none"])
def test_generate_where_nothing_can_be_written(out: str, whole: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    ended = command("generate", whole, "-n", 2, "--out", out, folder=tmp_path)
    assert ended.is_mistake(), ended.err
    assert out.partition("/deep")[0] in ended.err
    assert (tmp_path / "file").read_text() == "mine"


def test_generate_without_space_leaves_the_old_samples(whole: Path, tmp_path: Path) -> None:
    assert command("generate", whole, "-n", 2, "--out", "out", folder=tmp_path).code == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    ended = command("generate", whole, "-n", 500, "--out", "out", folder=tmp_path, around=FileLimit(5000))
    assert ended.is_mistake(), ended.err
    assert ended.err == "bgmusic: error: File too large: out/samples.npz\n"
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


def test_evaluate_shows_the_scores_even_if_it_can_not_write_them(whole: Path, tmp_path: Path) -> None:
    ended = command("evaluate", whole, "-n", 20, "--json", "none/x.json", folder=tmp_path, around=FewTestDigits())
    assert ended.is_mistake(), ended.err
    assert "none/x.json" in ended.err
    assert "precision" in ended.out


def test_the_installed_command_is_the_same(tmp_path: Path) -> None:
    """One real process, as a user starts it, for a success and for a mistake."""
    start = [sys.executable, "-m", "bgmusic"]
    version = subprocess.run([*start, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert version.stdout.strip() == "0.1.0"
    args = ["train", "mnist", "--config", "nope"]
    ended = subprocess.run([*start, *args], cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ)
    assert ended.returncode == 2
    assert ended.stderr.startswith("bgmusic: error: no preset or file 'nope'")
    assert ended.stderr.count("\n") == 1
