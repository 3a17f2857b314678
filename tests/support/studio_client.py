"""Talk to a studio's application as its page does."""

from __future__ import annotations

import time
from typing import Any

from starlette.testclient import TestClient

TOKEN, HOST = "a-token", "127.0.0.1:8765"


def post(client: TestClient, name: str, **body: Any) -> Any:
    return client.post(f"/api/{name}", json=body)


def edit(client: TestClient, **one: Any) -> Any:
    answer = post(client, "edit", edits=[one])
    assert answer.status_code == 200, answer.text
    return answer.json()


def compose(client: TestClient, **where: Any) -> Any:
    """Compose, wait, and return the state."""
    before = client.get("/api/state").json()["composed"]
    answer = post(client, "compose", **where)
    assert answer.status_code == 202, answer.text
    for _ in range(3000):
        view = client.get("/api/state").json()
        if view["composed"] > before:
            return view
        time.sleep(0.02)
    raise AssertionError("composing took too long")


def pitches(project: Any, beats: tuple[int, int], tracks: tuple[int, ...] = (0, 1, 2, 3)) -> set[int]:
    """Return the pitch classes of the notes that begin in some beats."""
    unit = project["unit"]
    return {row[3] % 12 for row in project["notes"] if row[0] in tracks and beats[0] * unit <= row[1] < beats[1] * unit}
