"""Drive headless Chromium by Selenium: Debian's chromium and chromium-driver, no network, nothing downloaded."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "no headless browser: install chromium and chromium-driver"

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # requests to the network fail, and appear in the log
)
_SECONDS = 300


@contextlib.contextmanager
def open_browser(profile: Path) -> Iterator[Chrome]:
    """Start a browser with a new profile in the folder ``profile``; quit it when the block ends."""
    assert CHROMIUM
    assert DRIVER
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chrome(options, ChromeService(DRIVER))
    try:
        browser.set_script_timeout(_SECONDS)
        yield browser
    finally:
        browser.quit()


def resize(browser: Chrome, width: int, height: int, scheme: str = "light") -> None:
    """Emulate a viewport in CSS pixels and a preferred colour scheme."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def requested(browser: Chrome) -> list[str]:
    """Return the addresses that pages requested since the last call, without those of Chromium's start page."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [one["request"]["url"] for one in requests if not one["documentURL"].startswith("chrome:")]


def screenshot(browser: Chrome, path: Path) -> None:
    """Write the whole page, beyond the viewport too, as PNG."""
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(shot["data"]))
