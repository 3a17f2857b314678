"""The studio's server: edits, compositions and files over HTTP, and hostile requests."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from studio_client import HOST, TOKEN, compose, edit, post

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.midi.read import read_midi
from bgmusic.studio.server import LIMITS, application
from bgmusic.studio.session import Session

ODD = sorted((Path(__file__).parents[1] / "data/midi_odd").glob("*.mid"))


def sounding(view, track, beats):
    unit = view["unit"]
    return sorted(row for row in view["notes"] if row[0] == track and beats[0] * unit <= row[1] < beats[1] * unit)


def test_a_session(client):
    view = client.get("/api/state").json()
    assert view["generators"] == ["voices", "band", "planned"]
    assert not view["notes"]
    view = compose(client, seed=3)
    assert view["notes"]
    first = view["notes"]
    edit(client, do="lock", tracks=[0], on=True)
    edit(client, do="chord", beats=[4, 8], name="C")
    assert not all(client.get("/api/state").json()["plan"]["obeyed"])
    view = compose(client, beats=[4, 12], seed=4)
    assert sounding(view, 0, (0, 16)) == sorted(row for row in first if row[0] == 0)
    for track in range(4):
        for beats in ((0, 3), (13, 16)):
            assert sounding(view, track, beats) == sorted(
                row for row in first if row[0] == track and beats[0] * 4 <= row[1] < beats[1] * 4
            )
    assert {pitch % 12 for track in (1, 2, 3) for _, _, _, pitch, _ in sounding(view, track, (4, 8))} <= {0, 4, 7}
    assert view["takes"] == 2
    view = edit(client, do="show", take=0)
    assert view["notes"] == first
    for _ in range(view["undos"]):
        view = post(client, "undo").json()
    assert not view["notes"]
    assert post(client, "undo").status_code == 400
    assert len(post(client, "redo").json()["notes"]) == len(first)


def test_the_same_seed_composes_the_same(client):
    one = compose(client, seed=7)["notes"]
    post(client, "undo")
    assert compose(client, seed=7)["notes"] == one


def test_an_alternative_stays_as_it_was_edited(client):
    compose(client, seed=1)
    view = compose(client, seed=2)
    (deleted, moved), others = view["notes"][:2], view["notes"][2:]
    edit(client, do="delete", notes=[[deleted[0], deleted[1], deleted[3]]])
    left = edit(client, do="move", notes=[[moved[0], moved[1], moved[3]]], longer=1)["notes"]
    assert len(left) >= len(others)
    assert edit(client, do="show", take=0, keep=True)["shown"] == 0
    assert edit(client, do="show", take=1, keep=True)["notes"] == left
    assert "edited after" in client.get("/api/command").json()["error"]


def test_chords_of_a_key_and_their_notes(client):
    line = {"do": "chords", "line": "I | vi | ii65 V7 | I", "bar": 0}
    assert "needs a key" in post(client, "edit", edits=[line]).json()["error"]
    edit(client, do="key", name="D")
    plan = edit(client, **line)["plan"]
    assert plan["decided"]["harmony"][::2] == ["D", "D", "Bm", "Bm", "G6", "A7", "D", "D"]
    plan = edit(client, do="chord", beats=[0, 4], name="Cm(maj7)/G")["plan"]
    assert plan["classes"][plan["decided"]["harmony"][0]] == [7, 0, 3, 11]


def test_any_title_is_exported(client):
    compose(client)
    for title in ("\N{CJK UNIFIED IDEOGRAPH-6F22}" * 200, ".", "..", "a/b", " "):
        edit(client, do="title", title=title)
        for kind in ("mid", "musicxml", "png"):
            assert client.get(f"/api/export/{kind}").status_code == 200, (title, kind)
    assert post(client, "edit", edits=[{"do": "title", "title": "a\0b"}]).status_code == 400


def test_silent_bars_and_bars_that_come_back(client):
    edit(client, do="decide", part="instruments", track=1, bar=2, value=False)
    edit(client, do="decide", part="form", track=0, bar=3, value=1)
    view = compose(client)
    assert not view["plan"]["shown"]["instruments"][1][2]
    cells = {
        (step, pitch) for track, on, length, pitch, _ in view["notes"] if not track for step in range(on, on + length)
    }
    bars = [{(step % 16, pitch) for step, pitch in cells if step // 16 == bar} for bar in range(4)]
    assert bars[3] == bars[1]
    assert bars[1]


def test_files_go_out_and_come_back(client, tmp_path):
    view = compose(client, seed=1)
    for kind, head in (("mid", b"MThd"), ("png", b"\x89PNG"), ("musicxml", b"<?xml"), ("svg", b"<svg")):
        answer = client.get(f"/api/export/{kind}")
        assert answer.status_code == 200, (kind, answer.text)
        assert answer.content.startswith(head)
        assert answer.headers["x-content-type-options"] == "nosniff"
    project = client.get("/api/export/bgstudio").content
    (tmp_path / "piece.mid").write_bytes(client.get("/api/export/mid").content)
    assert len(read_midi(tmp_path / "piece.mid").notes) == len(view["notes"])
    assert client.get("/api/export/exe").status_code == 400
    post(client, "new", generator="voices", bars=2)
    again = client.post("/api/open", content=project).json()
    assert again["notes"] == view["notes"]
    assert again["undos"] == view["undos"]
    assert client.post("/api/open", content=project[:50]).status_code == 400
    assert post(client, "new", generator="nobody").status_code == 400
    assert post(client, "new", generator="band").json()["tracks"][0]["drum"]


def test_a_melody_is_harmonised(client, tmp_path):
    roll = open_corpus("bach").roll(10)
    roll.save(tmp_path / "chorale.mid")
    content = (tmp_path / "chorale.mid").read_bytes()
    view = client.post("/api/import", params={"given": "0"}, content=content).json()
    melody = [list(row[1:4]) for row in roll.notes().tolist() if row[0] == 0]
    assert [row[1:4] for row in view["notes"]] == melody
    assert view["locks"] == ["1" * 16, "0" * 16, "0" * 16, "0" * 16]
    view = compose(client)
    assert [row[1:4] for row in view["notes"] if row[0] == 0] == melody
    assert {row[0] for row in view["notes"]} == {0, 1, 2, 3}
    assert len(client.post("/api/import", content=content).json()["notes"]) == len(roll.notes())


def test_a_project_is_saved_and_opened(composers, tmp_path):
    path = tmp_path / "mine.bgstudio"
    for bpm in (90, 100):
        session = Session(composers, path)
        app, _ = application(session, TOKEN, [HOST])
        with TestClient(app, base_url=f"http://{HOST}", headers={"X-Studio-Token": TOKEN}) as client:
            if bpm == 100:
                assert client.get("/api/state").json()["bpm"] == 90
            edit(client, do="tempo", bpm=bpm)
            assert post(client, "save").json() == {"file": "mine.bgstudio"}
    assert Session(composers, path).state.bpm == 100


def test_a_project_that_cannot_be_saved_says_so(composers, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    app, _ = application(Session(composers, folder / "mine.bgstudio"), TOKEN, [HOST])
    folder.rmdir()
    with TestClient(app, base_url=f"http://{HOST}", headers={"X-Studio-Token": TOKEN}) as client:
        reason = post(client, "save").json()["error"]
        assert all(words in reason for words in ("not saved", str(folder), "download"))
        folder.mkdir()
        assert post(client, "save").status_code == 200


@pytest.mark.parametrize("content", [b"", b"hello, world"])
@pytest.mark.parametrize("given", ["", "0"])
def test_what_is_no_midi_file_is_called_so(client, content, given):
    reason = client.post("/api/import", params={"given": given}, content=content).json()["error"]
    assert "no MIDI file" in reason
    assert "parts" not in reason


def test_composing_is_cancelled(client, session, monkeypatch):
    def fill(generator, shape, wanted, watch):
        while watch(wanted.channels, 0.5):  # goes on until it is cancelled
            time.sleep(0.01)

    monkeypatch.setattr("bgmusic.music.composing.filling.fill", fill)
    answers = [post(client, "compose") for _ in range(50)]
    assert [answer.status_code for answer in answers] == [202] * 4 + [429] * 46
    assert "wait, or cancel" in answers[-1].json()["error"]
    assert client.get("/api/state").json()["composing"]
    post(client, "cancel")
    for _ in range(3000):
        if not client.get("/api/state").json()["composing"]:
            break
        time.sleep(0.02)
    view = client.get("/api/state").json()
    assert not view["composing"]
    edit(client, do="lock", on=True)
    assert "everything there is locked" in post(client, "compose").json()["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Studio-Token": "wrong"}, 401),
        ({"X-Studio-Token": ""}, 401),
        ({"X-Studio-Token": "ü".encode()}, 401),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8765"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Length": "99999999999999999999999"}, 413),
        ({"Content-Length": "abc"}, 413),
    ],
)
def test_foreign_requests_are_refused(client, headers, status):
    answer = client.post("/api/undo", headers=headers)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert client.get("/api/state").status_code == 200


def test_the_pages_own_requests_are_answered(client):
    fine = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
    assert client.get("/api/state", headers=fine).status_code == 200
    page = client.get("/")
    assert "bgmusic studio" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get("/page/main.js").status_code == 200
    assert client.get("/soundfont.sf2").content[:4] == b"RIFF"
    for path in ("/page/../server.py", "/page/%2e%2e/server.py", "/page/..%2fserver.py", "/api/nothing", "/nothing"):
        assert client.get(path).status_code == 404
    assert client.get("/api/edit").status_code == 405


def test_large_bodies_are_refused(client):
    for path, limit in LIMITS.items():
        assert client.post(path, content=bytes(limit + 1)).status_code == 413
        chunks = (bytes(1 << 20) for _ in range((limit >> 20) + 2))  # without a Content-Length
        assert client.post(path, content=chunks).status_code == 413
    assert client.post("/api/undo", content=bytes(2 << 20)).status_code == 413
    assert client.get("/api/state").status_code == 200


def test_a_body_that_trickles_is_refused(session, monkeypatch):
    monkeypatch.setattr("bgmusic.studio.guard.BODY_SECONDS", 0.05)
    app, _ = application(session, TOKEN, [HOST])
    sent = []

    async def trickle():
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message):
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"x-studio-token", TOKEN.encode())]
    scope = {"type": "http", "method": "POST", "path": "/api/new", "query_string": b"", "headers": headers}
    asyncio.run(app(scope, trickle, send))
    assert sent[0]["status"] == 408


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("edit", b""), ("edit", b"{"), ("edit", b"[]"), ("edit", b'{"edits": []}'), ("edit", b'{"edits": [1]}'),
        ("edit", b'{"edits": [{"do": "x"}]}'), ("edit", b'{"edits": [{"do": "tempo", "bpm": NaN}]}'), ("edit", b"\xff"),
        ("edit", b"[" * 100_000), ("compose", b'{"tracks": []}'), ("compose", b'{"tracks": [9]}'),
        ("compose", b'{"beats": [5, 2]}'), ("compose", b'{"beats": [0, 999]}'), ("compose", b'{"seed": -1}'),
        ("compose", b'{"seed": 1e99}'), ("new", b'{"generator": "/etc/passwd"}'),
        ("new", b'{"generator": "voices", "bars": 0}'),
        ("save", b""), ("open", b"MThd"), ("import?given=99", b"MThd"), ("import?given=x", b""), ("import", b""),
        ("import?more=x", b""), ("import?given=0&more=4", b""),
    ],
)  # fmt: skip
def test_wrong_bodies_are_refused(client, name, body):
    answer = client.post(f"/api/{name}", content=body)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) < 600
    assert not client.get("/api/state").json()["undos"]


def test_edits_are_all_or_none(client):
    good = {"do": "tempo", "bpm": 90}
    edit(client, do="title", title="Mine")
    edit(client, do="tempo", bpm=100)
    before = post(client, "undo").json()
    assert (before["undos"], before["redos"]) == (1, 1)
    assert post(client, "edit", edits=[good, {"do": "show", "take": 5}]).status_code == 400
    assert client.get("/api/state").json() == before
    assert post(client, "redo").json()["bpm"] == 100


@pytest.mark.parametrize("path", ODD, ids=lambda path: path.stem)
def test_odd_midi_files_end_in_an_answer(client, path):
    for given in ("", "0"):
        answer = client.post("/api/import", params={"given": given}, content=path.read_bytes())
        assert answer.status_code in (200, 400)
    assert client.get("/api/state").status_code == 200


def test_random_bytes(client):
    rng = np.random.default_rng(0)
    for size in (1, 10, 1000, 100_000):
        content = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
        for name in ("edit", "compose", "import", "open", "new"):
            assert client.post(f"/api/{name}", content=content).status_code == 400
        assert client.post("/api/import", content=b"MThd\0\0\0\6" + content).status_code in (200, 400)


def test_events_reach_slow_tabs(session):
    async def listen():
        queue = session.listen()
        for step in range(200):
            session.apply([{"do": "tempo", "bpm": 60 + step}])
        assert queue.qsize() == 64
        last = None
        while not queue.empty():
            last = queue.get_nowait()
        assert json.loads(last.split("data: ")[1])["revision"] == 200
        session.leave(queue)

    asyncio.run(listen())
