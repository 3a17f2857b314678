"""The studio in a real browser: one click plays; decisions, locks, undo, drawing, files; wide and on a phone."""

from __future__ import annotations

import base64
import io
import time

import pytest
from browser import CHROMIUM, DRIVER, MISSING, open_browser, requested, resize, screenshot
from studio_process import open_studio

from bgmusic.music.midi.read import read_midi

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING),
]

ENERGY = """
const { analyser } = await import("/page/player.js");
if (!analyser) return 0;
const wave = new Float32Array(2048);
analyser.getFloatTimeDomainData(wave);
return Math.sqrt(wave.reduce((sum, value) => sum + value * value, 0) / wave.length);
"""


@pytest.fixture(scope="module")
def studio(runs):
    with open_studio(runs["voices"], runs["band"]) as made:
        yield made


@pytest.fixture
def page(studio, tmp_path):
    with open_browser(tmp_path / "profile") as browser:
        resize(browser, 1280, 800)
        browser.get(studio.address)
        until(browser, "return document.querySelectorAll('.cell').length > 0")
        yield browser
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
        local = f"http://127.0.0.1:{studio.port}/", "data:", "blob:", "chrome"
        assert [url for url in requested(browser) if not url.startswith(local)] == []


def run(browser, script, *arguments):
    """Run a script that may await."""
    wrapped = (
        f"const done = arguments[arguments.length - 1]; (async (...args) => {{ {script} }})(...arguments).then(done)"
    )
    return browser.execute_async_script(wrapped, *arguments)


def until(browser, script, seconds=120):
    end = time.monotonic() + seconds
    while not (value := run(browser, script)):
        assert time.monotonic() < end, script
        time.sleep(0.05)
    return value


def view(browser):
    return run(browser, "return (await import('/page/store.js')).store.view")


def click(browser, selector):
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def after(browser, act):
    """Do something, and return the project when it has changed."""
    before = view(browser)["revision"]
    act()
    until(browser, f"return (await import('/page/store.js')).store.view.revision > {before}")
    return view(browser)


def compose(browser):
    before = view(browser)["composed"]
    click(browser, "#compose")
    until(browser, f"return (await import('/page/store.js')).store.view.composed > {before}")
    return view(browser)


def press(browser, key, selector="body", **more):
    browser.execute_script(
        "document.querySelector(arguments[1]).dispatchEvent(new KeyboardEvent('keydown',"
        "{key: arguments[0], bubbles: true, cancelable: true, ...arguments[2]}))", key, selector, more
    )  # fmt: skip


def pitches(project, beats, tracks=(0, 1, 2, 3)):
    unit = project["unit"]
    return {row[3] % 12 for row in project["notes"] if row[0] in tracks and beats[0] * unit <= row[1] < beats[1] * unit}


def test_a_visit(page, tmp_path):
    # One click composes and plays.
    click(page, "#begin")
    until(page, "return (await import('/page/store.js')).store.playing")
    assert until(page, f"const energy = await (async () => {{ {ENERGY} }})(); return energy > 1e-4 && energy")
    first = view(page)
    assert first["notes"]
    # Chords are typed, composed, and obeyed.
    page.execute_script("document.querySelector('#chords').value = 'C | Am | F G | C'")
    after(page, lambda: press(page, "Enter", "#chords"))
    project = compose(page)
    assert [pitches(project, (beat, beat + 4)) <= chord for beat, chord in
            ((0, {0, 4, 7}), (4, {9, 0, 4}), (12, {0, 4, 7}))] == [True] * 3  # fmt: skip
    assert project["plan"]["decided"]["harmony"][4] == "Am"
    # One chord is flipped in its dialog, a track is locked, and two bars are composed again.
    click(page, "[data-id='chord-4']")
    page.execute_script("document.querySelector('#chord input').value = 'Dm'")
    after(page, lambda: click(page, "#chord form button"))
    soprano = [row for row in project["notes"] if row[0] == 0]
    after(page, lambda: click(page, "[data-id='lock-0']"))
    click(page, "[data-id='bar-1']")
    run(page, "document.querySelector(\"[data-id='bar-2']\").dispatchEvent(new MouseEvent('click', {shiftKey: true}))")
    again = compose(page)
    assert pitches(again, (4, 8), (1, 2, 3)) <= {2, 5, 9}
    assert [row for row in again["notes"] if row[0] == 0] == soprano
    outside = [row for row in project["notes"] if row[1] < 13 or row[1] >= 48]
    assert [row for row in again["notes"] if row[1] < 13 or row[1] >= 48] == outside
    # The exported file has what is shown; undo and alternatives bring back what was.
    content = run(
        page,
        "const { download } = await import('/page/api.js'); const make = URL.createObjectURL; let blob;"
        "URL.createObjectURL = (one) => ((blob = one), make.call(URL, one)); await download('mid', 'piece');"
        "URL.createObjectURL = make; const bytes = new Uint8Array(await blob.arrayBuffer());"
        "return btoa(String.fromCharCode(...bytes))",
    )
    (tmp_path / "piece.mid").write_bytes(base64.b64decode(content))
    assert len(read_midi(tmp_path / "piece.mid").notes) == len(again["notes"])
    assert after(page, lambda: press(page, "z", ctrlKey=True))["notes"] == project["notes"]
    assert after(page, lambda: press(page, "z", ctrlKey=True, shiftKey=True))["notes"] == again["notes"]
    shown = after(page, lambda: press(page, "1"))
    assert shown["shown"] == 0
    assert [row for row in shown["notes"] if row[0] == 0] == soprano


def test_notes_are_drawn_and_kept(page):
    def drag(x, y, to):
        run(
            page,
            "const roll = document.querySelector('#roll'); const box = roll.getBoundingClientRect();"
            "const [x, y, to] = args; const event = { clientY: box.top + y, pointerId: 1, button: 0, bubbles: true };"
            "const at = (type, to) => roll.dispatchEvent(new PointerEvent(type, { ...event, clientX: box.left + to }));"
            "roll.setPointerCapture = () => 0; at('pointerdown', x); at('pointermove', to); at('pointerup', to)",
            x, y, to,
        )  # fmt: skip

    run(page, "await (await import('/page/store.js')).request('new', { generator: 'voices' })")
    drawn = after(page, lambda: drag(180, 60, 300))
    assert len(drawn["notes"]) == 1
    track, onset, duration, _, by_user = drawn["notes"][0]
    assert (track, onset, by_user) == (0, 0, 1)
    assert duration > 1
    composed = compose(page)
    assert drawn["notes"][0] in composed["notes"]
    assert len(composed["notes"]) > 5
    # By keys: a note at the cursor, and away with it.
    page.execute_script("document.querySelector('#roll').focus()")
    for _ in range(3):
        press(page, "ArrowRight", "#roll", shiftKey=True)
    before = len(view(page)["notes"])
    more = after(page, lambda: press(page, "n", "#roll"))
    assert any(row[1] == 12 and row[4] for row in more["notes"])
    fewer = after(page, lambda: press(page, "Delete", "#roll"))
    assert not any(row[1] == 12 and row[4] for row in fewer["notes"])
    assert len(fewer["notes"]) <= before
    # A bar of a track is flipped by a click: silent at the next composition.
    after(page, lambda: click(page, "[data-id='cell-1-1']"))
    assert not compose(page)["plan"]["shown"]["instruments"][1][1]
    press(page, "?")
    assert page.execute_script("return document.querySelector('#keys').open")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone(page, tmp_path, scheme):
    from PIL import Image

    resize(page, 390, 844, scheme)
    page.refresh()
    until(page, "return document.querySelectorAll('.cell').length > 0")
    assert run(page, "return document.documentElement.scrollWidth") <= 390
    if not view(page)["notes"]:
        compose(page)
    small = run(
        page,
        "const all = [...document.querySelectorAll('header button, header select, header input')];"
        "return all.filter((one) => one.offsetParent).map((one) => one.getBoundingClientRect())"
        ".filter((box) => box.right > 391 || box.height < 15).length",
    )
    assert small == 0
    unnamed = run(
        page,
        "const all = [...document.querySelectorAll('button, select, input:not([type=file])')];"
        "const named = (one) => one.textContent.trim() || one.getAttribute('aria-label') || one.labels?.length;"
        "return all.filter((one) => one.offsetParent && !named(one)).map((one) => one.outerHTML)",
    )
    assert unnamed == []
    screenshot(page, tmp_path / "phone.png")
    picture = Image.open(io.BytesIO((tmp_path / "phone.png").read_bytes())).convert("L")
    corner = picture.getpixel((3, picture.height - 60))
    assert corner < 80 if scheme == "dark" else corner > 180
