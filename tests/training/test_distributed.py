"""Test trainings in two processes against one process with the same micro-batches."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from children import command
from ranks import together
from safetensors.torch import load_file

from bgmusic.errors import UserError
from bgmusic.training.distributed import divided
from bgmusic.training.loop_config import LoopConfig

_COMMON = ["--device", "cpu", "--seed", 5, "--set", "training.log_every=1", "--set", "training.checkpoint_every=2"]
_MNIST = [
    *("train", "mnist", "--config", "paper", "--neuron", "sbn", *_COMMON),
    *("--set", "training.warmup=null", "--set", "training.batch=8", "--set", "training.d_updates=2"),
    *("--set", "network.g_widths=[16]", "--set", "network.d_widths=[16]"),
]
_CAUSAL = [
    *("train", "pianoroll", "--config", "default", "--data", "bach", *_COMMON, "--set", "training.batch=4"),
    *("--set", "network.width=16", "--set", "network.heads=2", "--set", "network.hidden=16", "--set", "score_every=0"),
    *("--set", "network.layers=1", "--set", "network.encoder_layers=1"),
]
_ONE = ["--set", "training.accumulate=2"]  # the same micro-batches in one process


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def require_same_training(one: Path, two: Path) -> None:
    """Require the same losses and weights to float tolerance."""
    for ours, theirs in zip(metrics(one), metrics(two), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
    weights = load_file(two / "generator.safetensors")
    for name, value in load_file(one / "generator.safetensors").items():
        if "running" not in name:  # averages over the processes; micro-batches of one process follow one another
            torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "steps"), [(_MNIST, 5), (_CAUSAL, 4)], ids=["mnist", "causal"])
def test_two_processes_train_as_one(words: list[Any], steps: int, tmp_path: Path) -> None:
    one = command(*words, *_ONE, "--steps", steps, "--out", tmp_path / "one", folder=tmp_path)
    assert one.code == 0, one.err
    leader, other = together(2, *words, "--steps", steps, "--out", tmp_path / "two", folder=tmp_path)
    assert (leader.code, other.code) == (0, 0), leader.err + other.err
    assert leader.out.startswith("Finished: ")
    assert (other.out, other.err) == ("", "")
    assert len(metrics(tmp_path / "one")) == steps
    require_same_training(tmp_path / "one", tmp_path / "two")
    assert json.loads((tmp_path / "two" / "environment.json").read_text())["processes"] == 2
    assert not list(tmp_path.rglob("process-1/*/*"))


@pytest.mark.slow
@pytest.mark.parametrize("dead", [0, 1])
def test_a_dead_process_ends_the_other_and_the_run_resumes_with_one_or_two(dead: int, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    for result in together(2, *_MNIST, "--steps", 5, "--out", whole, folder=tmp_path):
        assert result.code == 0, result.err
    results = together(2, *_MNIST, "--steps", 5, "--out", run, folder=tmp_path, dies_at={dead: 3})
    assert results[dead].code == -9
    left = results[1 - dead]
    assert left.code == 2
    assert left.err.splitlines()[-1].startswith("bgmusic: error: another process of this training ended")
    assert "Traceback" not in left.err
    resumed = ["train", "mnist", "--device", "cpu", "--resume", "--out", run]
    if dead == 0:
        assert [result.code for result in together(2, *resumed, folder=tmp_path)] == [0, 0]
        for name in ("generator.safetensors", "metrics.jsonl"):
            assert (run / name).read_bytes() == (whole / name).read_bytes()
    else:
        assert command(*resumed, folder=tmp_path).code == 0
        require_same_training(run, whole)


def test_a_batch_is_divided_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert divided(LoopConfig(batch=8)).accumulate == 1
    monkeypatch.setattr("bgmusic.training.distributed.size", lambda: 3)
    assert divided(LoopConfig(batch=12, accumulate=2)).accumulate == 6
    assert divided(LoopConfig(batch=12, accumulate=6)).accumulate == 6
    with pytest.raises(UserError, match=r"a batch of 8 can't be divided among 3 processes.*a multiple of 3"):
        divided(LoopConfig(batch=8))
    with pytest.raises(UserError, match="at least 6"):
        divided(LoopConfig(batch=3))
    assert "WORLD_SIZE" not in os.environ  # the ranks above are children
