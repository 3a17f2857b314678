"""A real browser for tests: headless Chromium, driven over WebDriver's HTTP (W3C).

The standard library speaks it, so no package is needed but Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "no headless browser here (chromium and chromedriver): the page was not opened in one"

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # what asks the network fails, and is logged
]
_SECONDS = 60


class Browser:
    """One page at a time; each method does what its WebDriver or DevTools command does."""

    def __init__(self, port: int, path: str = "") -> None:
        self._port, self._path = port, path

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body or {}) if method == "POST" else None
        wire = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
        try:
            wire.request(method, self._path + path, data, {"Content-Type": "application/json"})
            value = json.load(wire.getresponse())["value"]
        finally:
            wire.close()
        assert not (isinstance(value, dict) and "error" in value), value
        return value

    def devtools(self, command: str, **values: Any) -> Any:
        """A command of the DevTools protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": values})

    def resize(self, width: int, height: int, scheme: str = "light") -> None:
        """The size of a window or phone in CSS pixels, and the colours that its user likes."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, path: Path) -> None:
        """Open a file, and wait until it is loaded."""
        self._ask("POST", "/url", {"url": path.resolve().as_uri()})

    def run(self, script: str) -> Any:
        """The value of an expression, awaited, as if the user had clicked."""
        answer = self.devtools(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def log(self, kind: str) -> list[dict[str, Any]]:
        """What ``browser`` (the console) or ``performance`` (DevTools events) has logged since the last time."""
        entries: list[dict[str, Any]] = self._ask("POST", "/se/log", {"type": kind})
        return entries

    def requests(self) -> list[str]:
        """The addresses that the page asked for since the last time."""
        events = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile in the folder ``profile``; ended with the block."""
    assert CHROMIUM
    assert DRIVER
    driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert driver.stdout
    try:
        port = next(
            int(found[1]) for line in driver.stdout if (found := re.search(r"successfully on port (\d+)", line))
        )
        server = Browser(port)
        options = {"binary": CHROMIUM, "args": [*_FLAGS, f"--user-data-dir={profile}"]}
        logs = {"browser": "ALL", "performance": "ALL"}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs}
        session = server._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        browser = Browser(port, f"/session/{session['sessionId']}")
        try:
            yield browser
        finally:
            browser._ask("DELETE", "")
    finally:
        driver.terminate()
        driver.wait(_SECONDS)
        driver.stdout.close()
