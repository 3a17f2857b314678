"""What the command line's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from children import command
from small_run import SMALL


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, made by SMALL without a disturbance; not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    ended = command(*SMALL, "--out", "run", folder=folder)
    assert ended.code == 0, ended.err
    return folder / "run"


@pytest.fixture(scope="session")
def music_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on bach, hardly trained, that kept scores and samples; not to be changed."""
    folder = tmp_path_factory.mktemp("music")
    sizes = [
        "--config",
        "satb",
        "--set",
        "network.width=0.07",
        "--set",
        "training.batch=4",
        "--set",
        "training.warmup=null",
    ]
    logged = ["--set", "score_every=1", "--set", "training.log_every=1", "--device", "cpu"]
    ended = command("train", "pianoroll", "--steps", 2, "--out", "run", *sizes, *logged, folder=folder)
    assert ended.code == 0, ended.err
    return folder / "run"


@pytest.fixture(scope="session")
def digits_run(whole: Path) -> Path:
    """A run of digits; not to be changed."""
    return whole
