"""Every snippet of the README runs, in its order; long trainings are cut short."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def shortened(words: list[str]) -> list[str]:
    """The same command with a training of two steps, or a smoke-sized experiment."""
    if words[1] == "train" and "--resume" not in words:
        if "--minutes" in words:
            place = words.index("--minutes")
            del words[place : place + 2]
        # A warm-up makes a hundred D updates before each of the first G updates.
        quick = ["--set", "training.warmup=null"] if words[2] == "pianoroll" else []
        if words[2] == "pianoroll" and "satb" not in words:  # a composer, which revises its phrases many times
            quick += ["--set", "network.channels=8", "--set", "network.stages=3"]
        return [*words, *quick, "--steps", "2"]
    if words[1] == "paper":
        return ["smoke" if word == "quick" else word for word in words]
    return words


@pytest.mark.parametrize("snippet", blocks("python"))
def test_python_snippet(snippet: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", snippet], check=True, capture_output=True)


def test_commands_in_their_order(tmp_path: Path) -> None:
    lines = [line.split("#")[0].split() for block in blocks("sh") for line in block.splitlines()]
    commands = [words for words in lines if words and words[0] == "bgmusic"]
    assert len(commands) >= 12
    song = next((ROOT / "data" / "midi" / "freedoom").glob("*E1M2.mid")).read_bytes()
    (tmp_path / "song.mid").write_bytes(song)
    (tmp_path / "my-midi").mkdir()
    (tmp_path / "my-midi" / "song.mid").write_bytes(song)
    for words in commands:
        if words[1] in ("paper", "report"):
            continue  # run by tests of their own
        command = [sys.executable, "-m", "bgmusic.cli.main", *shortened(words)[1:]]
        ended = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"}
        )
        assert ended.returncode == 0, f"{words}: {ended.stderr}"
    assert (tmp_path / "first" / "samples.png").exists()


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if not link.startswith("http"):
            assert (ROOT / link).exists(), link
