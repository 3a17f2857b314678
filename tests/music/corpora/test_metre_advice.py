"""Advice on the metre: files without bars of a corpus's metre, and the options that take them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import bgmusic, refusal
from timed_midi import write_bars


def advice(capsys: pytest.CaptureFixture[str], folder: Path, *options: object) -> list[str]:
    capsys.readouterr()
    assert bgmusic("data", "check", folder, "--min-tracks", 1, *options) == 0
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("metre:")]


def songs(folder: Path, *metres: tuple[int, int]) -> Path:
    folder.mkdir()
    for number, (numerator, denominator) in enumerate(metres):
        write_bars(folder / f"{number}.mid", [(12, numerator, denominator)])
    return folder


def test_files_of_another_metre(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waltz = songs(tmp_path / "one", (3, 4))
    assert advice(capsys, waltz) == ["metre: the file has no 4 bars of 4/4 in a row; --metre any takes it"]
    assert advice(capsys, waltz, "--metre", "any") == advice(capsys, waltz, "--metre", "3/4") == []
    three = songs(tmp_path / "three", (3, 4), (6, 8), (4, 4))
    assert advice(capsys, three) == ["metre: 2 of 3 files have no 4 bars of 4/4 in a row; --metre any takes 2 of the 3"]
    assert bgmusic("data", "build", three, "--metre", "any", "--min-tracks", 1, "--out", tmp_path / "corpus") == 0
    assert "2 pieces" in capsys.readouterr().out  # as advised


def test_short_bars_can_be_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marches = songs(tmp_path / "marches", (4, 4), (4, 4), (2, 4))
    line = "metre: 1 of 3 files has no 4 bars of 4/4 in a row; --join takes 3 of the 3"
    assert advice(capsys, marches) == [line]
    assert advice(capsys, marches, "--join") == []


def test_a_minority_gets_a_corpus_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixed = songs(tmp_path / "mixed", *[(4, 4)] * 3, (3, 4), (5, 4), (3, 4))
    own = "their metres: 3/4 (2), 5/4 (1); for a corpus of their own give --metre 3/4, "
    own += "which files without a time signature take, too"
    assert advice(capsys, mixed) == [f"metre: 3 of 6 files have no 4 bars of 4/4 in a row; {own}"]
    (line,) = advice(capsys, mixed, "--metre", "any")
    assert line.endswith(own)
    assert bgmusic("data", "build", mixed, "--min-tracks", 1, "--out", tmp_path / "corpus") == 0
    assert "3 files in other metres: bgmusic data check says which --metre takes them" in capsys.readouterr().out


def test_files_that_are_too_short_get_no_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bars(tmp_path / "short.mid", [(2, 4, 4)])
    assert advice(capsys, tmp_path) == ["metre: the file has no 4 bars of 4/4 in a row"]
    assert advice(capsys, tmp_path, "--bars", 2) == []


def test_a_build_without_a_phrase_names_the_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waltz = songs(tmp_path / "one", (3, 4))
    build = ("data", "build", waltz, "--min-tracks", 1, "--out", tmp_path / "corpus")
    assert "no phrase in the file (try --metre any or --join, or check" in refusal(capsys, *build)
    assert "(try --metre any, or check" in refusal(capsys, *build, "--join")
    assert bgmusic(*build, "--metre", "any") == 0
