"""Batches of phrases: corpora, encodings, npz files, and messages for damaged files."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.rolls.phrase_files import read_phrases, write_phrases
from bgmusic.music.rolls.phrases import Phrases, stack_rolls


@pytest.fixture(scope="module")
def bach():
    return corpus_phrases(open_corpus("bach"), np.array([0, 1, 2, 900]))


def test_corpus_phrases_equal_the_rolls_of_the_corpus(bach):
    corpus = open_corpus("bach")
    for index, number in enumerate((0, 1, 2, 900)):
        roll = corpus.roll(number)
        np.testing.assert_array_equal(bach.roll(index).cells, roll.cells)
        np.testing.assert_array_equal(bach.roll(index).onsets, roll.onsets)
        np.testing.assert_array_equal(bach.encoded("pause").roll(index).cells, roll.encoded("pause").cells)
    assert bach.groups.tolist() == [0, 0, 0, 1]
    assert bach[np.array([1, 3])].groups.tolist() == [0, 1]
    assert stack_rolls([bach.roll(0), bach.roll(3)]).groups.tolist() == [0, 1]


@pytest.mark.parametrize("encoding", ["onset", "pause"])
def test_npz_files_round_trip(bach, tmp_path, encoding):
    path = tmp_path / "phrases.npz"
    phrases = bach.encoded(encoding)
    write_phrases(phrases, path, seed=3)
    again, meta = read_phrases(path)
    np.testing.assert_array_equal(again.cells, phrases.cells)
    assert again.encoding == encoding
    assert encoding == "pause" or np.array_equal(again.onsets, phrases.onsets)
    assert (again.track_set, again.resolution) == (phrases.track_set, 4)
    assert meta["seed"] == 3
    again.require_like(bach, "bach")


def test_differences_of_form_are_named(bach):
    freedoom = corpus_phrases(open_corpus("freedoom"), np.array([0]))
    with pytest.raises(UserError, match=r"tracks: these phrases have Drums, .* those of bach have Soprano"):
        freedoom.require_like(bach, "bach")
    with pytest.raises(UserError, match="steps per beat"):
        Phrases(bach.track_set, 2, bach.cells).require_like(bach, "bach")
    with pytest.raises(UserError, match="bars per phrase"):
        Phrases(bach.track_set, 4, bach.cells[:, :, :2]).require_like(bach, "bach")


def test_wrong_shapes_are_refused(bach):
    with pytest.raises(UserError, match="need shape \\(batch, 4, bars"):
        Phrases(bach.track_set, 4, bach.cells[:, :2])
    with pytest.raises(UserError, match="onsets of shape"):
        Phrases(bach.track_set, 4, bach.cells, bach.onsets[:1])
    with pytest.raises(UserError, match="no phrases"):
        stack_rolls([])


def damaged(path, **arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    return path


def test_damaged_files_give_one_line(bach, tmp_path):
    good = {"track_set": bach.track_set.to_dict(), "resolution": 4, "encoding": "pause"}
    rolls = bach.cells
    path = tmp_path / "bad.npz"
    cases = [
        ({"rolls": rolls}, "with rolls and meta"),
        ({"rolls": rolls, "meta": np.array("no json")}, "its meta"),
        ({"rolls": rolls, "meta": np.array(3)}, "its meta"),
        ({"rolls": rolls, "meta": np.array(json.dumps(good | {"resolution": "4"}))}, "its meta"),
        ({"rolls": rolls, "meta": np.array(json.dumps(good | {"resolution": 10**9}))}, "its meta"),
        ({"rolls": rolls, "meta": np.array(json.dumps(good | {"encoding": "other"}))}, "its meta"),
        ({"rolls": rolls, "meta": np.array(json.dumps(good | {"track_set": {"name": 1}}))}, "track set"),
        ({"rolls": rolls, "meta": np.array(json.dumps(good | {"encoding": "onset"}))}, "with onsets"),
        ({"rolls": rolls[0], "meta": np.array(json.dumps(good))}, "'satb' need shape"),
        ({"rolls": rolls * 0.5, "meta": np.array(json.dumps(good))}, "zeros and ones"),
        ({"rolls": rolls[:0], "meta": np.array(json.dumps(good))}, "at least one phrase"),
        ({"rolls": np.array([{}], object), "meta": np.array(json.dumps(good))}, "no npz file with rolls and meta"),
    ]
    for arrays, message in cases:
        with pytest.raises(UserError, match=message) as error:
            read_phrases(damaged(path, **arrays))
        assert "\n" not in str(error.value)
