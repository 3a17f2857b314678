"""The studio as a process: Ctrl-C, slow and broken clients, several tabs, mistakes on the command line."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from command_line import bgmusic, refusal
from studio_process import open_studio

from bgmusic.studio.project_file import read_project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def busy_studio(runs):
    with open_studio(runs["voices"]) as made:
        yield made


@pytest.fixture
def studio(busy_studio):
    """The studio of this module, when what earlier tests composed has ended."""
    end = time.monotonic() + 120
    while ask(busy_studio, "GET", "/api/state")[1]["composing"]:
        assert time.monotonic() < end
        time.sleep(0.02)
    return busy_studio


def ask(studio, method, path, body=None, token=None):
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=20)
    headers = {"X-Studio-Token": studio.token if token is None else token}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if content.startswith(b"{") else content


class Tab:
    """A tab that listens to news in a thread."""

    def __init__(self, studio):
        self.connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=60)
        self.connection.request("GET", "/api/events", headers={"X-Studio-Token": studio.token})
        self.answer = self.connection.getresponse()
        self.lines = []
        self.closing = False
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        try:
            while line := self.answer.readline():
                self.lines.append(line.decode().strip())
        except ConnectionResetError:  # news that arrive after `shutdown` make the kernel reset the connection
            if not self.closing:
                raise

    def close(self):
        self.closing = True
        self.connection.sock and self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.answer.close()
        self.connection.close()

    def waits_for(self, event, seconds=30):
        end = time.monotonic() + seconds
        while f"event: {event}" not in self.lines:
            assert time.monotonic() < end, self.lines[-5:]
            time.sleep(0.02)


def test_interrupt_ends_it_while_tabs_listen_and_it_composes(runs, tmp_path):
    project = tmp_path / "mine.bgstudio"
    with contextlib.ExitStack() as stack:
        studio = stack.enter_context(open_studio(runs["voices"], "--project", project))
        tabs = [stack.enter_context(contextlib.closing(Tab(studio))) for _ in range(3)]
        assert ask(studio, "POST", "/api/edit", json.dumps({"edits": [{"do": "bars", "bars": 128}]}))[0] == 200
        assert ask(studio, "POST", "/api/save")[0] == 200
        for tab in tabs:
            tab.waits_for("changed")
        for _ in range(3):
            assert ask(studio, "POST", "/api/compose", "{}")[0] == 202
        tabs[0].waits_for("progress")
        assert studio.interrupt() == 0
    assert read_project(project.read_bytes()).state.bars == 128
    with open_studio(runs["voices"], "--project", project) as studio:
        assert ask(studio, "GET", "/api/state")[1]["bars"] == 128


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", [None, "mine.bgstudio"])
def test_what_was_not_saved_is_kept_and_found(runs, tmp_path, by, name):
    words = [runs["voices"], *(["--project", name] if name else [])]
    kept = f"{'mine' if name else 'piece'}.unsaved.bgstudio"
    with open_studio(*words, folder=tmp_path) as studio:
        assert "unsaved" not in studio.printed
        body = json.dumps({"edits": [{"do": "title", "title": "Mine"}]})
        assert ask(studio, "POST", "/api/edit", body)[0] == 200
        assert studio.interrupt(by) == 0
        assert kept in studio.process.stdout.read()
    assert read_project((tmp_path / kept).read_bytes()).state.title == "Mine"
    with open_studio(*words, folder=tmp_path) as studio:
        assert kept in studio.printed
        assert studio.interrupt(by) == 0
    assert [path.name for path in tmp_path.iterdir()] == [kept]


def test_slow_and_broken_clients(studio):
    slow = []
    for number in range(40):
        client = socket.create_connection(("127.0.0.1", studio.port), 10)
        head = f"POST /api/import HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nX-Studio-Token: {studio.token}\r\n"
        client.sendall(
            [b"G", head.encode(), f"{head}Content-Length: 1000\r\n\r\nMT".encode(), b"\0\xff\r\n\r\n"][number % 4]
        )
        slow.append(client)
    for _ in range(5):
        assert ask(studio, "GET", "/api/state")[0] == 200
    for client in slow:
        client.close()
    assert ask(studio, "POST", "/api/compose", "{}")[0] == 202
    assert ask(studio, "GET", "/api/state", token="x")[0] == 401  # noqa: S106 (no password)
    assert studio.process.poll() is None


def test_a_hundred_megabytes_are_refused_while_it_works(studio):
    process = psutil.Process(studio.process.pid)
    ask(studio, "GET", "/api/state")
    before = process.memory_info().rss
    for headers in ({"Content-Length": str(100 << 20)}, {"Transfer-Encoding": "chunked"}):
        client = socket.create_connection(("127.0.0.1", studio.port), 20)
        lines = {"Host": f"127.0.0.1:{studio.port}", "X-Studio-Token": studio.token, **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        client.sendall(f"POST /api/import HTTP/1.1\r\n{head}\r\n".encode())
        part = bytes(1 << 20)
        chunk = part if "Content-Length" in headers else b"100000\r\n" + part + b"\r\n"
        with contextlib.suppress(ConnectionError):  # it stops reading
            for _ in range(100):
                client.sendall(chunk)
        with contextlib.suppress(ConnectionError):
            assert client.recv(100).startswith(b"HTTP/1.1 413")
        client.close()
        assert ask(studio, "GET", "/api/state")[0] == 200
    assert process.memory_info().rss - before < 50e6


def test_fifty_compositions_at_once(studio):
    with contextlib.closing(Tab(studio)) as tab:
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: ask(studio, "POST", "/api/compose", "{}"), range(50)))
        statuses = [status for status, _ in answers]
        assert set(statuses) <= {202, 429}
        assert statuses.count(202) >= 4
        assert all("wait, or cancel" in body["error"] for status, body in answers if status == 429)
        tab.waits_for("done")
        assert ask(studio, "GET", "/api/state")[1]["notes"]
        assert ask(studio, "GET", "/page/main.js")[0] == 200


def test_news_reach_all_tabs(studio):
    with contextlib.ExitStack() as stack:
        tabs = [stack.enter_context(contextlib.closing(Tab(studio))) for _ in range(2)]
        assert ask(studio, "POST", "/api/compose", "{}")[0] == 202
        for tab in tabs:
            for event in ("started", "done"):
                tab.waits_for(event)
        assert ask(studio, "GET", "/api/state")[1]["notes"]


def test_mistakes_on_the_command_line(runs, tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ["studio", runs["voices"], "--no-browser", "--port", port]
        assert f"port {port} of 127.0.0.1 can't be used" in refusal(capsys, *words)
    assert "there is no run nobody" in refusal(capsys, "studio", "nobody", "--no-browser")
    broken = tmp_path / "broken.bgstudio"
    broken.write_bytes(b"nothing")
    words = ["studio", runs["voices"], "--no-browser", "--project", broken]
    assert "no project of the studio" in refusal(capsys, *words)
    other = tmp_path / "other.bgstudio"
    with open_studio(runs["band"], "--project", other) as studio:
        assert ask(studio, "POST", "/api/save")[0] == 200
    words = ["studio", runs["voices"], "--no-browser", "--project", other]
    text = refusal(capsys, *words)
    assert str(other) in text
    assert f"bgmusic studio {runs['voices']} band" in text
    assert bgmusic("studio", "--help") == 0
