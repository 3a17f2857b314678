"""Drive headless Chromium by Selenium: Debian's chromium and chromium-driver, no network, nothing downloaded."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By

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


def run(browser: Chrome, script: str, *arguments: Any) -> Any:
    """Run a script that may await."""
    wrapped = (
        f"const done = arguments[arguments.length - 1]; (async (...args) => {{ {script} }})(...arguments).then(done)"
    )
    return browser.execute_async_script(wrapped, *arguments)


def until(browser: Chrome, script: str, seconds: float = 120) -> Any:
    """Wait for a script's value to be true, and return it."""
    end = time.monotonic() + seconds
    while not (value := run(browser, script)):
        assert time.monotonic() < end, script
        time.sleep(0.05)
    return value


def click(browser: Chrome, selector: str, *keys: str) -> None:
    """Click an element by the mouse while keys are down."""
    for _ in range(5):
        chain = ActionChains(browser)
        for key in keys:
            chain.key_down(key)
        try:
            element = browser.find_element(By.CSS_SELECTOR, selector)
            # Out from under the names of tracks, which stay at the left when the page scrolls.
            browser.execute_script("arguments[0].scrollIntoView({ block: 'nearest', inline: 'center' })", element)
            chain.click(element)
            for key in keys:
                chain.key_up(key)
            chain.perform()
        except StaleElementReferenceException:  # drawn anew by news of the server
            continue
        return
    raise AssertionError(selector)


def type_into(browser: Chrome, selector: str, text: str) -> None:
    """Replace the text of a field."""
    element = browser.find_element(By.CSS_SELECTOR, selector)
    element.clear()
    element.send_keys(text)
