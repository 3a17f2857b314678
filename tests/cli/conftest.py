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
