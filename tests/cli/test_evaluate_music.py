"""``bgmusic evaluate`` of phrases: runs, corpora, npz, MIDI; every wrong word ends in one line."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from page_reader import Page

from bgmusic.cli.main import main
from bgmusic.files import data_dir
from bgmusic.music.composing.phrase_sources import midi_phrases
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.rolls.joining import join_rolls
from bgmusic.music.rolls.midi_files import write_midi
from bgmusic.music.rolls.phrase_files import write_phrases
from bgmusic.training.report import page as pages


def command(*words):
    with pytest.raises(SystemExit) as end:
        main([*map(str, words)])
    return end.value.code or 0


def run(*words):
    return command("evaluate", *words)


@pytest.fixture
def quick(monkeypatch):
    """The network of the two-sample test takes most of the time."""
    monkeypatch.setattr("bgmusic.music.judging.evaluation.MAX_JUDGED", 30)


def test_a_run_is_compared_with_what_it_was_trained_on(music_run, tmp_path, capsys, quick):
    files = ["--json", tmp_path / "run.json", "--html", tmp_path / "page.html"]
    assert run(music_run, "-n", 12, "--seed", 3, *files) == 0
    shown = capsys.readouterr().out
    assert "12 phrases against 580 held-out ones of bach" in shown
    # The same as those that the user hears: what generate makes, evaluated as an npz.
    assert command("generate", music_run, "-n", 12, "--seed", 3, "--format", "npz", "--out", tmp_path) == 0
    npz = [tmp_path / "rolls.npz", "--against", "bach"]
    assert run(*npz, "-n", 12, "--seed", 3, "--json", tmp_path / "npz.json") == 0
    scores = json.loads((tmp_path / "run.json").read_text())
    assert scores == json.loads((tmp_path / "npz.json").read_text())
    page = Page((tmp_path / "page.html").read_text())
    for row in scores["rows"]:
        assert row["name"] in page.words
        assert pages.number(row["distance"]) in page.words
    for line in scores["verdict"]:
        assert line[1:] in page.words
    assert all(address.startswith("data:") for address in page.addresses)
    assert "script" not in page.tags


def test_who_waits_for_phrases_sees_a_bar(music_run, tmp_path, monkeypatch, quick):
    """A composer may take a second for each phrase: evaluations and reports tell how far it is."""
    bars = []

    @contextmanager
    def bar(what, total):
        made = []
        yield made.append
        bars.append((what, total, sum(made)))

    monkeypatch.setattr("bgmusic.music.report.page.SAMPLES", 1)
    monkeypatch.setattr("bgmusic.music.report.page.PAIRS", 1)
    monkeypatch.setattr("bgmusic.music.report.phrase_figure.MAX_SECONDS", 1.0)  # untrained, they are a thousand notes
    for module in ("evaluate", "report"):
        monkeypatch.setattr(f"bgmusic.cli.{module}.progress_bar", bar)
    assert run(music_run, "-n", 12) == 0
    assert command("report", music_run, "-n", 12, "--out", tmp_path / "report.html") == 0
    assert bars == [("Composing", 12, 12)] * 2


def test_a_run_of_another_form_or_history_ends_in_one_line(music_run, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(music_run, copy)
    known = (copy / "environment.json").read_text()
    for words, message in (
        ([music_run, "--against", "freedoom"], "tracks: these phrases have Soprano, Alto, Tenor, Bass"),
        ([music_run, "-n", 100_000], "don't fit into memory"),
        ([music_run, "-n", 12, "--binarize", "no"], "binarize is ht or bs"),
        ([copy], "no corpus '/gone'"),
    ):
        (copy / "environment.json").write_text(known.replace('"data": "bach"', '"data": "/gone"'))
        assert run(*words) == 2
        error = capsys.readouterr().err
        assert message in error, words
        assert error.count("\n") == 1
    for damaged in (known.replace('"data": "bach"', '"data": 3'), "{", "[]"):
        (copy / "environment.json").write_text(damaged)
        assert run(copy) == 2
        assert "environment.json" in capsys.readouterr().err
    (copy / "generator.safetensors").unlink()
    assert run(copy, "--against", "bach") == 2
    assert "has no generator yet" in capsys.readouterr().err


def test_names_are_text_in_the_page(tmp_path, quick):
    phrases = corpus_phrases(open_corpus("bach"), np.arange(0, 2000, 160))
    npz = tmp_path / "<img src=x onerror=alert(1)>.npz"
    write_phrases(phrases, npz)
    assert run(npz, "--against", "bach", "--html", tmp_path / "page.html") == 0
    page = Page((tmp_path / "page.html").read_text())
    assert "img" not in page.tags
    assert "<img src=x onerror=alert(1)>.npz" in page.words


def test_phrases_in_an_npz(tmp_path, capsys, quick):
    corpus = open_corpus("bach")
    phrases = corpus_phrases(corpus, corpus.indices("train")[::50])
    write_phrases(phrases, tmp_path / "phrases.npz")
    assert run(tmp_path / "phrases.npz", "--against", "bach", "-n", 20, "--json", tmp_path / "scores.json") == 0
    shown = capsys.readouterr().out
    assert "notes per bar" in shown
    assert "two-sample test:" in shown
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["phrases"] == 20
    assert scores["held_out"] == 580
    assert len([row for row in scores["rows"] if row["core"]]) == 12
    assert scores["copying"]["known_bars"] == 1  # they are training phrases


def test_midi_becomes_phrases_of_the_corpus_form(tmp_path):
    corpus = open_corpus("bach")
    for number in (0, 500):
        write_midi(corpus.roll(number), tmp_path / f"{number}.mid")
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    phrases = midi_phrases(tmp_path, corpus.settings, 10)
    assert phrases.groups.tolist() == [0, 1]
    np.testing.assert_array_equal(phrases.roll(1).cells, corpus.roll(500).cells)
    songs = midi_phrases(data_dir() / "midi" / "freedoom", open_corpus("freedoom").settings, 30)
    assert len(songs) == 30


def test_midi_is_read_as_a_corpus_would(tmp_path):
    """Silence between is no phrase, nor is a file of all phrases that stands beside theirs, nor a broken link."""
    settings = open_corpus("freedoom").settings
    roll = open_corpus("freedoom").roll(0)
    quiet = replace(roll, cells=np.zeros_like(roll.cells), onsets=np.zeros_like(roll.onsets))
    write_midi(join_rolls([roll, quiet, roll]), tmp_path / "all.mid")
    (tmp_path / "loop.mid").symlink_to("loop.mid")
    assert len(midi_phrases(tmp_path, settings, 10)) == 2
    for number in range(2):
        write_midi(roll, tmp_path / f"phrase-{number:04}.mid")
    assert midi_phrases(tmp_path, settings, 10).groups.tolist() == [0, 1]


def test_wrong_words_end_in_one_line(tmp_path, capsys):
    phrases = corpus_phrases(open_corpus("bach"), np.arange(12))
    npz, empty, digits = tmp_path / "phrases.npz", tmp_path / "empty", tmp_path / "digits.npz"
    write_phrases(phrases, npz)
    np.savez(digits, samples=np.zeros((9, 28, 28), np.uint8))
    empty.mkdir()
    (tmp_path / "odd.mid").write_bytes(b"nothing")
    for words, message in (
        ([npz], "give --against DATA"),
        ([npz, "--against", "nowhere"], "no corpus 'nowhere'"),
        ([npz, "--against", "freedoom"], "tracks: these phrases have Soprano"),
        ([npz, "--against", "bach", "-n", 6], "too few samples"),
        ([tmp_path / "none", "--against", "bach"], "--against is for music: there is no"),
        ([digits, "--against", "bach"], "--against is for music"),
        ([digits, "--html", tmp_path / "page.html"], "--html is for music"),
        ([empty, "--against", "bach"], "no 4 bars of 4/4 in which 2 tracks play in 0 MIDI files"),
        ([tmp_path / "odd.mid", "--against", "bach"], "odd.mid"),
    ):
        assert run(*words) == 2
        error = capsys.readouterr().err
        assert message in error, words
        assert error.count("\n") == 1
