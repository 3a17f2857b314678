"""``bgmusic evaluate`` of phrases: corpora, npz, MIDI; every wrong word ends in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bgmusic.cli.main import main
from bgmusic.files import data_dir
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.midi import write_midi
from bgmusic.music.phrase_sources import midi_phrases
from bgmusic.music.phrases import corpus_phrases, write_phrases


def run(*words):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", *map(str, words)])
    return end.value.code or 0


def test_phrases_in_an_npz(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bgmusic.music.evaluation._MOST_JUDGED", 60)  # the network takes most of the time
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


def test_wrong_words_end_in_one_line(tmp_path, capsys):
    phrases = corpus_phrases(open_corpus("bach"), np.arange(12))
    npz, empty = tmp_path / "phrases.npz", tmp_path / "empty"
    write_phrases(phrases, npz)
    empty.mkdir()
    (tmp_path / "odd.mid").write_bytes(b"nothing")
    for words, message in (
        ([npz], "give --against DATA"),
        ([npz, "--against", "nowhere"], "no corpus 'nowhere'"),
        ([npz, "--against", "freedoom"], "tracks: these phrases have Soprano"),
        ([npz, "--against", "bach", "-n", 6], "too few samples"),
        ([tmp_path / "none", "--against", "bach"], "--against is for music"),
        ([empty, "--against", "bach"], "no 4 bars of 4/4 in 0 MIDI files"),
        ([tmp_path / "odd.mid", "--against", "bach"], "odd.mid"),
    ):
        assert run(*words) == 2
        error = capsys.readouterr().err
        assert message in error, words
        assert error.count("\n") == 1
