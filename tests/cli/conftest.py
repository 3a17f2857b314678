"""Runs that the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest
from children import command
from small_run import SMALL


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an uninterrupted run of SMALL. Tests must not change it."""
    folder = tmp_path_factory.mktemp("whole")
    result = command(*SMALL, "--out", "run", folder=folder)
    assert result.code == 0, result.err
    return folder / "run"


@pytest.fixture(scope="session")
def music_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of two steps on bach, with scores and samples. Tests must not change it."""
    folder = tmp_path_factory.mktemp("music")
    sizes = ["--config", "satb", "--set", "network.width=0.07", "--set", "training.batch=4"]
    sizes += ["--set", "training.warmup=null"]
    logged = ["--set", "score_every=1", "--set", "score_share=null", "--set", "training.log_every=1", "--device", "cpu"]
    result = command("train", "pianoroll", "--steps", 2, "--out", "run", *sizes, *logged, folder=folder)
    assert result.code == 0, result.err
    return folder / "run"


@pytest.fixture(scope="session")
def digits_run(whole: Path) -> Path:
    """Return a run on digits. Tests must not change it."""
    return whole


@pytest.fixture
def quick_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the networks of the two-sample test and the judge, which take most of the time, few phrases and batches."""
    monkeypatch.setattr("bgmusic.music.judging.evaluation.MAX_JUDGED", 30)
    monkeypatch.setattr("bgmusic.music.judging.judge.MAX_REAL", 200)
    monkeypatch.setattr("bgmusic.music.judging.judge_network._LEAST_BATCHES", 1)
