"""Scores from the command line: generate, data export, and clear refusals."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from command_line import bgmusic, refusal
from tiny_runs import SATB, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run", SATB)


def test_generate_writes_scores(run, tmp_path, capsys):
    out = tmp_path / "out"
    assert bgmusic("generate", run, "-n", 2, "--format", "musicxml,svg", "--out", out) == 0
    assert {path.name for path in out.iterdir()} == {
        "phrase-0000.musicxml",
        "phrase-0000.svg",
        "phrase-0001.musicxml",
        "phrase-0001.svg",
    }
    assert "2 scores: " in capsys.readouterr().out
    root = ElementTree.parse(out / "phrase-0001.musicxml").getroot()  # noqa: S314 (our own file)
    assert len(root.findall("part")) == 2
    assert root.findtext("movement-title") == "phrase-0001"


def test_export_writes_scores(tmp_path, capsys):
    for name in ("one.musicxml", "one.svg"):
        assert bgmusic("data", "export", "bach", "--index", 5, "--out", tmp_path / name, "--bpm", 70) == 0
        assert (tmp_path / name).stat().st_size > 1000
    assert "one.svg: bars" in capsys.readouterr().out
    assert "give a .mid, .musicxml or .svg file" in refusal(
        capsys, "data", "export", "bach", "--index", 5, "--out", tmp_path / "one.wav"
    )


def test_missing_libraries_are_named_before_composing(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bgmusic.music.score.libraries.find_spec", lambda name: None)
    text = refusal(capsys, "generate", run, "--format", "musicxml", "--out", tmp_path / "out")
    assert "pip install 'bgmusic[score]'" in text
    assert not (tmp_path / "out").exists()
