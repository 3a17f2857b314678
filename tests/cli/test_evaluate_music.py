"""Test ``bgmusic evaluate`` on runs, corpora, npz and MIDI files."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from command_line import bgmusic
from page_reader import Page

from bgmusic.files import data_dir
from bgmusic.music.composing.phrase_sources import midi_phrases
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.rolls.joining import join_rolls
from bgmusic.music.rolls.midi_files import write_midi
from bgmusic.music.rolls.phrase_files import write_phrases
from bgmusic.training.report import page as pages

pytestmark = pytest.mark.slow


def evaluate(*words):
    return bgmusic("evaluate", *words)


def test_a_run_is_compared_with_its_own_corpus(music_run, tmp_path, capsys, quick_judge):
    files = ["--json", tmp_path / "run.json", "--html", tmp_path / "page.html", "--figures", tmp_path / "figures"]
    assert evaluate(music_run, "-n", 12, "--seed", 3, *files) == 0
    shown = capsys.readouterr().out
    assert f"Phrases of {music_run}:" in shown
    assert "12 phrases" in shown
    assert "580 held-out" in shown
    assert "judge's accuracy" in shown
    # The phrases that generate writes for the same seed have the same scores.
    assert bgmusic("generate", music_run, "-n", 12, "--seed", 3, "--format", "npz", "--out", tmp_path) == 0
    npz = [tmp_path / "rolls.npz", "--against", "bach"]
    assert evaluate(*npz, "-n", 12, "--seed", 3, "--json", tmp_path / "npz.json") == 0
    scores = json.loads((tmp_path / "run.json").read_text())
    assert scores["judge"]["networks"] == 3
    assert scores == json.loads((tmp_path / "npz.json").read_text())
    page = Page((tmp_path / "page.html").read_text())
    assert page.tags.count("img") == len(list((tmp_path / "figures").iterdir())) == 4
    assert "Least real phrases" in page.words
    for row in scores["rows"]:
        assert row["name"] in page.words
        assert pages.number(row["distance"]) in page.words
    for line in scores["verdict"]:
        assert line[1:] in page.words
    assert all(address.startswith("data:") for address in page.addresses)
    assert "script" not in page.tags


def test_a_progress_bar_counts_the_phrases(music_run, tmp_path, monkeypatch, quick_judge):
    """A composer may take a second for each phrase, so evaluations and reports show their progress."""
    bars = []

    @contextmanager
    def bar(what, total):
        advances = []
        yield advances.append
        bars.append((what, total, sum(advances)))

    monkeypatch.setattr("bgmusic.music.report.page.SAMPLES", 1)
    monkeypatch.setattr("bgmusic.music.report.page.PAIRS", 1)
    # Phrases of untrained networks have a thousand notes.
    monkeypatch.setattr("bgmusic.music.report.phrase_figure.MAX_SECONDS", 1.0)
    for module in ("evaluate", "report"):
        monkeypatch.setattr(f"bgmusic.cli.{module}.progress_bar", bar)
    assert evaluate(music_run, "-n", 12, "--quick") == 0
    assert bgmusic("report", music_run, "-n", 12, "--out", tmp_path / "report.html") == 0
    assert bars == [("Composing", 12, 12)] * 2


def test_a_run_that_does_not_fit_ends_in_one_line(music_run, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(music_run, copy)
    known = (copy / "environment.json").read_text()
    for words, message in (
        ([music_run, "--against", "freedoom"], "tracks"),
        ([music_run, "-n", 100_000], "memory"),
        ([music_run, "-n", 12, "--binarize", "no"], "binarize"),
        ([copy], "'/gone'"),
    ):
        (copy / "environment.json").write_text(known.replace('"data": "bach"', '"data": "/gone"'))
        assert evaluate(*words) == 2
        error = capsys.readouterr().err
        assert message in error, words
        assert error.count("\n") == 1
    for damaged in (known.replace('"data": "bach"', '"data": 3'), "{", "[]"):
        (copy / "environment.json").write_text(damaged)
        assert evaluate(copy) == 2
        assert "environment.json" in capsys.readouterr().err
    (copy / "generator.safetensors").unlink()
    assert evaluate(copy, "--against", "bach") == 2
    assert "no generator" in capsys.readouterr().err


def test_names_are_escaped_in_the_page(tmp_path, quick_judge):
    phrases = corpus_phrases(open_corpus("bach"), np.arange(0, 2000, 160))
    npz = tmp_path / "<img src=x onerror=alert(1)>.npz"
    write_phrases(phrases, npz)
    assert evaluate(npz, "--against", "bach", "--quick", "--html", tmp_path / "page.html") == 0
    page = Page((tmp_path / "page.html").read_text())
    assert "img" not in page.tags
    assert "<img src=x onerror=alert(1)>.npz" in page.words


def test_an_npz_file_is_evaluated(tmp_path, capsys, quick_judge):
    corpus = open_corpus("bach")
    phrases = corpus_phrases(corpus, corpus.indices("train")[::50])
    write_phrases(phrases, tmp_path / "phrases.npz")
    words = ["-n", 20, "--quick", "--json", tmp_path / "scores.json"]
    assert evaluate(tmp_path / "phrases.npz", "--against", "bach", *words) == 0
    shown = capsys.readouterr().out
    assert "notes per bar" in shown
    assert "judge" not in shown
    assert "two-sample test:" in shown
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["phrases"] == 20
    assert scores["held_out"] == 580
    assert len([row for row in scores["rows"] if row["core"]]) == 12
    assert scores["copying"]["known_bars"] == 1  # they are phrases of the training split


def test_midi_files_become_phrases_in_the_shape_of_the_corpus(tmp_path):
    corpus = open_corpus("bach")
    for number in (0, 500):
        write_midi(corpus.roll(number), tmp_path / f"{number}.mid")
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    phrases = midi_phrases(tmp_path, corpus.settings, 10)
    assert phrases.groups.tolist() == [0, 1]
    np.testing.assert_array_equal(phrases.roll(1).cells, corpus.roll(500).cells)
    songs = midi_phrases(data_dir() / "midi" / "freedoom", open_corpus("freedoom").settings, 30)
    assert len(songs) == 30


def test_midi_files_are_read_as_for_a_corpus(tmp_path):
    """Skip silent bars, broken links, and ``all.mid`` where each phrase has its own file."""
    settings = open_corpus("freedoom").settings
    roll = open_corpus("freedoom").roll(0)
    quiet = replace(roll, cells=np.zeros_like(roll.cells), onsets=np.zeros_like(roll.onsets))
    write_midi(join_rolls([roll, quiet, roll]), tmp_path / "all.mid")
    (tmp_path / "loop.mid").symlink_to("loop.mid")
    assert len(midi_phrases(tmp_path, settings, 10)) == 2
    for number in range(2):
        write_midi(roll, tmp_path / f"phrase-{number:04}.mid")
    assert midi_phrases(tmp_path, settings, 10).groups.tolist() == [0, 1]


def test_mistakes_end_in_one_line(tmp_path, capsys):
    phrases = corpus_phrases(open_corpus("bach"), np.arange(12))
    npz, empty, digits = tmp_path / "phrases.npz", tmp_path / "empty", tmp_path / "digits.npz"
    write_phrases(phrases, npz)
    np.savez(digits, samples=np.zeros((9, 28, 28), np.uint8))
    empty.mkdir()
    (tmp_path / "odd.mid").write_bytes(b"nothing")
    for words, message in (
        ([npz], "--against"),
        ([npz, "--against", "nowhere"], "'nowhere'"),
        ([npz, "--against", "freedoom"], "tracks"),
        ([npz, "--against", "bach", "-n", 6], "too few"),
        ([tmp_path / "none", "--against", "bach"], "no file, folder or run"),
        ([digits, "--against", "bach"], "--against"),
        ([digits, "--html", tmp_path / "page.html"], "--html"),
        ([npz, "--against", "bach", "--quick", "--figures", tmp_path / "figures"], "--figures"),
        ([empty, "--against", "bach"], "0 MIDI files"),
        ([tmp_path / "odd.mid", "--against", "bach"], "odd.mid"),
    ):
        assert evaluate(*words) == 2
        error = capsys.readouterr().err
        assert message in error, words
        assert error.count("\n") == 1
