"""A studio with an untrained composer: pieces take a few milliseconds."""

from __future__ import annotations

import pytest
from tiny_runs import BAND, SATB, make_run

from bgmusic.studio.composing import Composers


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("composers")
    return {"voices": str(make_run(folder / "voices", SATB)), "band": str(make_run(folder / "band", BAND))}


@pytest.fixture
def composers(runs):
    made = Composers(runs)
    yield made
    made.close()
