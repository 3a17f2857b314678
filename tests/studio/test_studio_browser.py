"""The studio in a real browser: one click plays; decisions, locks, undo, drawing, files; wide and on a phone."""

from __future__ import annotations

import base64
import io

import pytest
from browser import (
    CHROMIUM,
    DRIVER,
    MISSING,
    click,
    open_browser,
    requested,
    resize,
    run,
    screenshot,
    type_into,
    until,
)
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from studio_client import pitches
from studio_process import open_studio

from bgmusic.api import read

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING)]

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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture
def page(studio, browser):
    """An empty project in a window of 1280 by 800 pixels; checks the console and the network afterwards."""
    resize(browser, 1280, 800)
    browser.get("about:blank")  # the address differs from the open page's by its fragment only
    browser.get(studio.address)
    until(browser, "return document.querySelectorAll('.cell').length > 0")
    run(browser, "await (await import('/page/store.js')).replaceProject('new', { generator: 'voices' })")
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    local = f"http://127.0.0.1:{studio.port}/", "data:", "blob:", "chrome"
    assert [url for url in requested(browser) if not url.startswith(local)] == []


def view(browser):
    return run(browser, "return (await import('/page/store.js')).store.view")


def exported(browser, kind="mid"):
    """Return the file that the page saves."""
    content = run(
        browser,
        "const { file } = await import('/page/api.js'); const bytes = new Uint8Array(await (await file(args[0]))"
        ".arrayBuffer()); let text = ''; for (const one of bytes) text += String.fromCharCode(one); return btoa(text)",
        kind,
    )
    return base64.b64decode(content)


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


def check_export(content, folder, project, soprano):
    """Check that an exported file has the notes of a project, and obeys its lock and its decisions."""
    (folder / "piece.mid").write_bytes(content)
    roll = read(folder / "piece.mid", tracks="satb", resolution=4)
    notes = [list(row) for row in roll.notes().tolist()]
    assert notes == [row[:4] for row in project["notes"]]
    file = {"unit": 4, "notes": notes}
    assert [row for row in notes if row[0] == 0] == [row[:4] for row in soprano]
    assert pitches(file, (4, 8), (1, 3)) <= {2, 5, 9}
    assert not pitches(file, (4, 8), (2,))
    assert pitches(file, (0, 4)) <= {0, 4, 7}


@pytest.mark.parametrize("width", [1280, 390])
def test_a_visit(page, tmp_path, width):
    resize(page, width, 844)
    until(page, f"return innerWidth === {width}")
    # One click composes and plays; in a loop, so that it does not end before it is measured.
    press(page, "o")
    click(page, "#begin")
    until(page, "return (await import('/page/store.js')).store.playing")
    assert until(page, f"const energy = await (async () => {{ {ENERGY} }})(); return energy > 1e-4 && energy")
    assert view(page)["notes"]
    # What is muted is silent.
    for track in range(4):
        click(page, f"[data-id='mute-{track}']")
    until(page, f"return await (async () => {{ {ENERGY} }})() < 1e-5")
    assert run(page, "return (await import('/page/store.js')).store.playing")
    for track in range(4):
        click(page, f"[data-id='mute-{track}']")
    press(page, " ")
    until(page, "return !(await import('/page/store.js')).store.playing")
    # Chords are typed, composed, and heard.
    if width < 700:
        click(page, "#more")
    type_into(page, "#chords", "C | Am | F G | C")
    project = after(page, lambda: page.find_element(By.CSS_SELECTOR, "#chords").send_keys(Keys.ENTER))
    assert project["plan"]["decided"]["harmony"][4] == "Am"
    assert not all(project["plan"]["obeyed"])
    if width < 700:
        click(page, "#more")
    project = compose(page)
    assert [pitches(project, (beat, beat + 4)) <= chord for beat, chord in
            ((0, {0, 4, 7}), (4, {9, 0, 4}), (12, {0, 4, 7}))] == [True] * 3  # fmt: skip
    assert all(project["plan"]["obeyed"])
    # One chord is flipped in its dialog, a bar of a track is silenced, a track is locked, and two bars are recomposed.
    click(page, "[data-id='chord-4']")
    type_into(page, "#chord input", "Dm")
    after(page, lambda: click(page, "#chord form button"))
    after(page, lambda: click(page, "[data-id='cell-2-1']"))
    soprano = [row for row in project["notes"] if row[0] == 0]
    after(page, lambda: click(page, "[data-id='lock-0']"))
    click(page, "[data-id='bar-1']")
    click(page, "[data-id='bar-2']", Keys.SHIFT)
    assert page.find_element(By.ID, "compose").text == "Compose bars 2\N{EN DASH}3"
    again = compose(page)
    outside = [row for row in project["notes"] if row[1] < 13 or row[1] >= 48]
    assert [row for row in again["notes"] if row[1] < 13 or row[1] >= 48] == outside
    check_export(exported(page), tmp_path, again, soprano)
    # Undo, redo and alternatives bring back what was.
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


def place(page):
    return page.find_element(By.ID, "place").text


def test_keys_move_select_zoom_and_loop(page):
    for key, more, shown in (("ArrowRight", {}, "1.2"), ("ArrowRight", {"shiftKey": True}, "2.1"),
                             ("ArrowRight", {}, "2.2"), ("ArrowLeft", {}, "2.1"), ("Home", {}, "1.1")):  # fmt: skip
        press(page, key, **more)
        assert until(page, "return document.querySelector('#place').textContent") == shown
    press(page, "ArrowRight", shiftKey=True)
    press(page, "b")
    assert "bar 2" in page.find_element(By.ID, "compose").text
    press(page, "t")
    assert "Soprano bar 2" in page.find_element(By.ID, "compose").text
    locked = after(page, lambda: press(page, "l"))
    assert locked["locks"] == ["0000111100000000", *["0" * 16] * 3]
    wide = run(page, "return (await import('/page/store.js')).store.barWidth")
    press(page, "+")
    assert run(page, "return (await import('/page/store.js')).store.barWidth") > wide
    press(page, "o")
    assert page.find_element(By.ID, "loop").get_attribute("aria-pressed") == "true"
    press(page, "Escape")
    assert page.find_element(By.ID, "compose").text == "Compose"


def test_an_ending_is_decided_and_composed(page):
    before = compose(page)
    page.find_element(By.ID, "auto").click()
    click(page, "#ending")
    until(page, f"return (await import('/page/store.js')).store.view.composed > {before['composed']}")
    project = view(page)
    decided = project["plan"]["decided"]["harmony"]
    assert [name is None for name in decided] == [True] * 11 + [False] * 5
    assert len(set(decided[12:])) == 1
    assert [row for row in project["notes"] if row[1] < 29] == [row for row in before["notes"] if row[1] < 29]


def test_the_status_line_is_of_now(page):
    type_into(page, "#chords", "C | F")
    field = page.find_element(By.CSS_SELECTOR, "#chords")
    after(page, lambda: field.send_keys(Keys.ENTER))
    until(page, "return document.querySelector('#status').textContent.includes('compose')")
    page.execute_script("document.activeElement.blur()")
    before = view(page)["composed"]
    press(page, "Enter")
    until(page, f"return (await import('/page/store.js')).store.view.composed > {before}")
    until(page, "return document.querySelector('#status').textContent === ''")


def test_a_new_tempo_goes_on_from_where_the_music_is(page):
    compose(page)
    press(page, "o")
    press(page, " ")
    step = until(page, "const { store } = await import('/page/store.js'); return store.step > 8 && store.step")
    page.execute_script("document.querySelector('#key').focus()")
    page.find_element(By.ID, "key").send_keys("F# m")
    after(page, lambda: run(page, "(await import('/page/store.js')).edit({ do: 'tempo', bpm: 20 })"))
    assert run(page, "return (await import('/page/store.js')).store.step") >= step
    assert page.find_element(By.ID, "key").get_attribute("value") == "F# m"  # what is typed stays
    page.execute_script("document.activeElement.blur()")
    press(page, " ")


def test_notes_are_played_in(page):
    press(page, "r")
    body = page.find_element(By.TAG_NAME, "body")
    project = after(page, lambda: body.send_keys("a"))
    project = after(page, lambda: body.send_keys("d"))
    assert [row[1] for row in project["notes"]] == [0, 4]
    assert project["notes"][1][3] - project["notes"][0][3] == 4
    assert all(row[0] == 0 and row[2] == 4 and row[4] for row in project["notes"])
    press(page, "r")
    press(page, "a")
    assert len(view(page)["notes"]) == 2


def drop(page, content, name="song.mid"):
    run(
        page,
        "const bytes = Uint8Array.from(atob(args[0]), (one) => one.charCodeAt(0)); const data = new DataTransfer();"
        "data.items.add(new File([bytes], args[1]));"
        "document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }))",
        base64.b64encode(content).decode(), name,
    )  # fmt: skip


def test_a_file_is_dropped(page):
    song = compose(page)
    content, project = exported(page), exported(page, "bgstudio")

    def chooses(text):
        drop(page, content)
        before = view(page)["composed"]
        until(page, "return document.querySelector('#given').open")
        page.find_element(By.XPATH, f"//dialog[@id='given']//button[.='{text}']").click()
        until(page, f"return (await import('/page/store.js')).store.view.composed > {before}")
        return view(page)

    def sounding(project, tracks, steps):
        return [row[:4] for row in project["notes"] if row[0] in tracks and row[1] < steps]

    melody = chooses("Accompany")
    assert sounding(melody, [0], 64) == sounding(song, [0], 64)
    assert sounding(melody, [1, 2, 3], 64) != sounding(song, [1, 2, 3], 64)
    bass = chooses("Compose anew")
    assert sounding(bass, [0, 1, 2], 64) == sounding(song, [0, 1, 2], 64)
    assert sounding(bass, [3], 64) != sounding(song, [3], 64)
    longer = chooses("Continue by")
    assert longer["bars"] == 8
    assert sounding(longer, [0, 1, 2, 3], 64) == sounding(song, [0, 1, 2, 3], 64)
    assert any(row[1] >= 64 for row in longer["notes"])
    # A project opens as it was, when the user agrees to leave the piece; it shows its command.
    page.execute_script("window.confirm = () => true")
    after(page, lambda: drop(page, project, "mine.bgstudio"))
    assert view(page)["notes"] == song["notes"]
    click(page, "#command")
    until(page, "return document.querySelector('#line').open")
    assert page.find_element(By.CSS_SELECTOR, "#line pre").text.startswith("bgmusic generate ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone(page, tmp_path, scheme):
    from PIL import Image

    resize(page, 390, 844, scheme)
    page.refresh()
    until(page, "return document.querySelectorAll('.cell').length > 0")
    assert run(page, "return document.documentElement.scrollWidth") <= 390
    if not view(page)["notes"]:
        compose(page)
    click(page, "#more")
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
