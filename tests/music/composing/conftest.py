"""Runs of tiny composers that the tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import BAND, SATB, make_run


@pytest.fixture(scope="session")
def choir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on four voices, with the onset encoding."""
    return make_run(tmp_path_factory.mktemp("choir") / "run", SATB)


@pytest.fixture(scope="session")
def band(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on five tracks with drums, with the pause encoding."""
    return make_run(tmp_path_factory.mktemp("band") / "run", BAND)
