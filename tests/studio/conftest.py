"""A studio with an untrained composer: pieces take a few milliseconds."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from studio_client import HOST, TOKEN
from tiny_runs import BAND, SATB, make_run

from bgmusic.studio.composing import Composers
from bgmusic.studio.server import application
from bgmusic.studio.session import Session

CAUSAL = {"kind": "causal", "width": 16, "layers": 1, "encoder_layers": 1, "heads": 2, "hidden": 16}


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("composers")
    return {
        "voices": str(make_run(folder / "voices", SATB)),
        "band": str(make_run(folder / "band", BAND)),
        "planned": str(make_run(folder / "planned", SATB, CAUSAL)),
    }


@pytest.fixture
def composers(runs):
    made = Composers(runs)
    yield made
    made.close()


@pytest.fixture
def session(composers):
    return Session(composers)


@pytest.fixture
def client(session):
    app, _ = application(session, TOKEN, [HOST])
    with TestClient(app, base_url=f"http://{HOST}", headers={"X-Studio-Token": TOKEN}) as made:
        yield made
