"""Test the documentation: snippets and commands of the README and the guides run, and links and paths exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from children import Result, command, python
from snippets import PAGES, ROOT, shortened, snippets

import bgmusic
from bgmusic.yaml import read_yaml

SLOW = pytest.mark.slow
# Tests of their own run these: experiments take minutes, and the studio runs until it is interrupted.
ELSEWHERE = {("bgmusic", "paper"), ("bgmusic", "studio")}


def check(result: Result, what: str) -> None:
    assert result.code == 0, f"{what}:\n{result.out}\n{result.err}"


def in_a_new_process(*arguments: str, folder: Path) -> Result:
    """Run Python: what must find torch unloaded, or starts processes by joblib, which hangs in a forked process."""
    command = [sys.executable, *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return Result(result.returncode, result.stdout, result.stderr)


def run_python(text: str, folder: Path) -> Result:
    return in_a_new_process("-W", "error", "-c", text, folder=folder) if "sys.modules" in text else python(text, folder)


def run_command(words: list[str], folder: Path) -> Result:
    if "--jobs" in words:
        return in_a_new_process("-m", "bgmusic", *words[1:], folder=folder)
    return command(*words[1:], folder=folder)


def prepare(folder: Path) -> None:
    """Put the files that snippets read into a folder."""
    song = next((ROOT / "data" / "midi" / "freedoom").glob("*E1M2.mid"))
    (folder / "my-midi").mkdir()
    for path in (folder / "song.mid", folder / "my-midi" / "song.mid"):
        shutil.copy(song, path)


@SLOW
@pytest.mark.parametrize("page", PAGES)
def test_snippets_run_in_order(page: str, tmp_path: Path) -> None:
    prepare(tmp_path)
    ran = 0
    for snippet in snippets(PAGES[page]):
        if snippet.language == "python":
            check(run_python(snippet.text, tmp_path), snippet.text)
            ran += 1
            continue
        for words in snippet.commands():
            if tuple(words[:2]) in ELSEWHERE:
                continue
            check(run_command(shortened(words), tmp_path), shlex.join(words))
            ran += 1
    assert ran or page in ("reproduce", "studio")


@pytest.mark.parametrize("page", PAGES)
def test_each_page_begins_with_its_use(page: str) -> None:
    text = PAGES[page].read_text(encoding="utf-8")
    assert page in ("README", "public-names") or "\nAfter this page " in text[:300]
    assert snippets(PAGES[page])


@pytest.mark.parametrize(
    "page", [*PAGES.values(), *sorted((ROOT / "docs" / "notes").glob("*.md")), ROOT / "CHANGELOG.md"]
)
def test_links_exist(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#]*)#?([^)]*)\)", text):
        file = page if not target else (page.parent / target).resolve()
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name}: {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/guide/install.md"])
def test_make_targets_exist(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake (\w+) +#|^make (\w+)$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE), target


def test_places_of_the_contributing_guide_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| (`.*) \|$", text, re.MULTILINE)
    assert len(rows) >= 20
    for path in re.findall(r"`((?:bgmusic|configs|data|bench|tests)/[^`]*)`", text):
        assert (ROOT / path).exists(), path


def test_public_names_are_listed() -> None:
    page = PAGES["public-names"].read_text(encoding="utf-8")
    for name in bgmusic.__all__:
        assert name == "__version__" or f"`bgmusic.{name}`" in page, name
        assert getattr(bgmusic, name) is not None


def test_citation_is_valid() -> None:
    citation = read_yaml(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["version"] == bgmusic.__version__
    assert [reference["url"][-10:] for reference in citation["references"]] == ["1810.04714", "1804.09399"]
