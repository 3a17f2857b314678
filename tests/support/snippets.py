"""Read the snippets of a Markdown page, and shorten long commands."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"README": ROOT / "README.md"} | {
    path.stem: path for path in sorted((ROOT / "docs" / "guide").glob("*.md"))
}  # name of a page, and its file

_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """A block of code: its language (``sh`` or ``python``) and text."""

    language: str
    text: str

    def commands(self) -> list[list[str]]:
        """Return the words of each ``bgmusic`` command of a shell block."""
        lines = [shlex.split(line, comments=True) for line in self.text.splitlines()]
        return [words for words in lines if words[:1] == ["bgmusic"]]


def snippets(page: Path) -> list[Snippet]:
    """Return the code blocks of a page in order."""
    return [Snippet(*found) for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def shortened(words: list[str]) -> list[str]:
    """Return the same command with a training of two steps, a smoke-sized experiment, or few samples."""
    words, command = list(words), words[1]
    if command == "paper":
        return ["smoke" if word == "quick" else word for word in words]
    if command == "evaluate":
        judged = "--quick" not in words and ("--against" in words or words[2].startswith("generator:"))
        quick = ["--quick"] if judged else []  # the judge has its own tests
        return [*words, *([] if "-n" in words else ["-n", "12"]), *quick]
    if command != "train" or "--resume" in words:
        return words
    if words[2] == "composer":
        place = words.index("--config") if "--config" in words else len(words)
        return [*words[:place], *words[place + 2 :], "--config", str(Path(__file__).with_name("one_stage.yaml"))]
    if "--minutes" in words:
        place = words.index("--minutes")
        del words[place : place + 2]
    words += ["--set", "training.warmup=null"]  # a hundred D updates before each of the first G updates
    if words[2] == "pianoroll" and {"composer", "accompany"} & set(words):
        words += ["--set", "network.channels=8", "--set", "network.stages=3"]
    elif words[2] == "pianoroll" and "satb" not in words:
        for size in ("width=16", "heads=2", "hidden=16", "drafts=2"):
            words += ["--set", f"network.{size}"]
    if "student" in words:
        words += ["--set", "composed.phrases=4"]
    return [*words, "--steps", "2"]
