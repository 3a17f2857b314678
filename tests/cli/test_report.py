"""Test ``bgmusic report``: one self-contained file, escaped text, and its display in a real browser."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from browser import CHROMIUM, DRIVER, MISSING, open_browser, requested, resize, screenshot
from command_line import bgmusic
from page_reader import Page
from PIL import Image

from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.training.weights import read_generator, save_generator

pytestmark = pytest.mark.slow

LARGEST = 15_000_000  # bytes of a page


def report(*words):
    return bgmusic("report", *words)


@pytest.fixture
def quick(monkeypatch, quick_judge):
    """Make a report of few phrases."""
    monkeypatch.setattr("bgmusic.music.report.page.SAMPLES", 2)
    monkeypatch.setattr("bgmusic.music.report.page.PAIRS", 1)
    # Phrases of untrained networks have a thousand notes.
    monkeypatch.setattr("bgmusic.music.report.phrase_figure.MAX_SECONDS", 1.0)


@pytest.fixture(scope="module")
def page_file(music_run, tmp_path_factory):
    """Make a report of a good generator: its phrases are held-out chorales and a copied training phrase."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    corpus = open_corpus("bach")
    numbers = np.append(corpus.indices("test")[::15][:29], corpus.indices("train")[700])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bgmusic.music.judging.evaluation.MAX_JUDGED", 30)
        patch.setattr("bgmusic.music.report.page.SAMPLES", 4)
        patch.setattr("bgmusic.music.report.page.PAIRS", 2)
        patch.setattr(
            "bgmusic.music.composing.phrase_sources.run_phrases", lambda *_, **__: corpus_phrases(corpus, numbers)
        )
        assert report(music_run, "--out", path, "-n", 30) == 0
    return path


def test_a_report_is_one_complete_file(page_file):
    text = page_file.read_text()
    page = Page(text)
    assert len(text) < LARGEST
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not {"script", "iframe", "object", "link rel=stylesheet", "form"} & set(page.tags)
    assert page.tags.count("audio") == 4 + 2 * 2
    for words in (
        "two-sample test",
        "Phrase 4",
        "100% of the notes in common",
        open_corpus("bach").info(int(open_corpus("bach").indices("train")[700])).source,
        "Binary outputs",
        "qualified notes",
        "update 2",
        "objective: wgan",  # from the config
        "bgmusic train pianoroll --steps 2 --out run --config satb",
        "4 bars of 16 steps (4 a beat), 48 pitches, onset encoding",
    ):
        assert words.lower() in page.words.lower(), words
    # Every picture has a text alternative.
    assert page.tags.count("img") == text.count(' alt="')
    assert page.tags.count("svg") == text.count('role="img" aria-label="')


def test_report_writes_a_page_and_figures(music_run, tmp_path, capsys, quick):
    out, figures = tmp_path / "report.html", tmp_path / "figures"
    assert report(music_run, "--out", out, "--figures", figures, "-n", 10) == 0
    printed = capsys.readouterr().out
    assert "two-sample test" in printed
    assert f"{out}" in printed
    names = {path.name for path in figures.iterdir()}
    assert names == {"samples.png", "preactivated-0.png", "preactivated-1.png", "curves.png", "timelapse.gif"}
    for path in figures.iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 200
            assert getattr(picture, "n_frames", 1) == (3 if path.suffix == ".gif" else 1)
    assert Page(out.read_text()).tags.count("audio") == 2 + 2


HARMFUL = "<script>alert(1)</script><img src=http://x.test/y onerror=alert(2)>\"'&{{7*7}}"


def test_untrusted_text_is_escaped(music_run, tmp_path, capsys, quick):
    run = tmp_path / HARMFUL.replace("/", "_")
    shutil.copytree(music_run, run)
    known = json.loads((run / "environment.json").read_text())
    for name in ("command", "device", "machine", "system", "bgmusic", "torch", "seed"):
        known[name] = HARMFUL
    known["data"] = HARMFUL
    (run / "environment.json").write_text(json.dumps(known))
    (run / "metrics.jsonl").write_text(json.dumps({"step": 1, "d_loss": 0.5, HARMFUL: 1}) + "\n")
    (run / "scores.jsonl").write_text(json.dumps({"step": 1, HARMFUL: 1}) + "\n")
    (run / "timings.jsonl").write_text("[]\n{}\n\xff")
    config, _ = read_generator(run / "generator.safetensors", "music", PianorollConfig)
    tracks = config.rolls.track_set.to_dict()
    tracks["tracks"][0]["name"] = tracks["name"] = HARMFUL
    rolls = config.rolls.model_dump() | {"track_set": tracks}
    config = PianorollConfig.model_validate(config.model_dump() | {"rolls": rolls})
    save_generator(run / "generator.safetensors", load_generator(music_run)[2], config, "music")
    assert report(run, "--out", tmp_path / "report.html", "-n", 10) == 0
    page = Page((tmp_path / "report.html").read_text())
    assert "script" not in page.tags
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert page.words.count("<script>alert(1)</script>") >= 8
    assert "{{7*7}}" in page.words
    # Its corpus does not exist: there is no evaluation, and the page gives the reason.
    assert "Not evaluated" in page.words
    assert "two-sample" not in capsys.readouterr().out


def test_report_of_a_run_on_digits(digits_run, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert report(digits_run, "--out", out, "-n", 20) == 0
    page = Page(out.read_text())
    for words in ("fid", "share of 9", "20 samples against", "D's loss", "the same noise", "bgmusic train mnist"):
        assert words in page.words
    assert all(address.startswith("data:") for address in page.addresses)


def test_mistakes_end_in_one_line(music_run, digits_run, tmp_path, capsys):
    out = tmp_path / "report.html"
    for words, message in (
        (["nowhere"], "nowhere"),
        ([tmp_path], "not a run"),
        ([digits_run, "--against", "bach"], "--against"),
        ([digits_run, "--figures", tmp_path / "x"], "--figures"),
        ([music_run, "--against", "freedoom"], "tracks"),
        ([music_run, "--against", "nowhere"], "'nowhere'"),
        ([music_run, "-n", "10", "--binarize", "x"], "binarize"),
        ([music_run, "-n", "9"], "-n"),
    ):
        assert report(*words, "--out", out) == 2
        error = capsys.readouterr().err
        assert message in error, words
        assert error.count("\n") == 1
    assert not out.exists()


# ---- in a real browser

WIDE = """return [...document.querySelectorAll('body *')].filter(
  one => !one.closest('.scroll, pre') && one.getBoundingClientRect().right > innerWidth + 0.5
).map(one => one.outerHTML.slice(0, 100))"""
LOADED = """return (async () => {
  while (document.readyState !== 'complete') await new Promise(ok => setTimeout(ok, 50));
  const all = [...document.querySelectorAll('audio')];
  for (const one of all) {
    if (one.readyState < 1) {
      await new Promise((ok, no) => {
        one.onloadedmetadata = ok;
        one.onerror = () => no(one.error.message);
        one.load();
      });
    }
  }
  return all.map(one => one.duration);
})()"""
PLAYED = """return (async number => {
  const one = document.querySelectorAll('audio')[number];
  await one.play();
  const begun = Date.now();
  while (one.currentTime < 0.2 && Date.now() - begun < 200000) await new Promise(ok => setTimeout(ok, 50));
  one.pause();
  return one.currentTime;
})(arguments[0])"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        pytest.skip(MISSING)
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_the_page_fits_phone_and_desktop(browser, page_file, width, height, scheme, tmp_path):
    resize(browser, width, height, scheme)
    browser.get_log("browser")
    requested(browser)
    browser.get(page_file.as_uri())
    assert browser.execute_script("return document.title").startswith("Report of")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(WIDE) == []
    pictures = browser.execute_script("return [...document.images].map(one => one.naturalWidth)")
    assert len(pictures) > 10
    assert min(pictures) > 0
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert browser.get_log("browser") == []  # the console
    schemes = {address.split(":", 1)[0] for address in requested(browser)}
    assert schemes <= {"file", "data"}
    screenshot(browser, tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as shot:
        assert shot.width >= width - 20
        assert shot.height > 3000


def test_the_sounds_load_and_play(browser, page_file):
    resize(browser, 1280, 900)
    browser.get(page_file.as_uri())
    durations = browser.execute_script(LOADED)
    assert len(durations) == 8
    assert min(durations) > 7.9  # four bars at 120 beats per minute, and the reverberation
    for number in (0, 7):
        assert browser.execute_script(PLAYED, number) >= 0.2
    assert browser.get_log("browser") == []


def test_the_content_policy_blocks_injected_code(browser, tmp_path, page_file):
    """If text were not escaped, the content security policy would still block scripts and requests."""
    text = page_file.read_text()
    injected = tmp_path / "cracked.html"
    injected.write_text(text.replace("<main>", "<main><script>window.ran = 1</script><img src='http://x.test/y.png'>"))
    browser.get(injected.as_uri())
    assert browser.execute_script("return window.ran") is None
    assert browser.execute_script("return document.images[0].naturalWidth") == 0
    messages = [entry["message"] for entry in browser.get_log("browser")]
    assert len(messages) == 2
    assert all("Content Security Policy" in message for message in messages)


def test_the_page_of_an_evaluation_fits_a_phone(browser, music_run, tmp_path, quick):
    assert bgmusic("evaluate", music_run, "-n", 10, "--html", tmp_path / "page.html") == 0
    resize(browser, 390, 844)
    browser.get_log("browser")
    browser.get((tmp_path / "page.html").as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    assert browser.execute_script(WIDE) == []
    assert browser.execute_script("return document.querySelectorAll('table').length") >= 3
    assert browser.get_log("browser") == []
