"""``--pedal`` of ``data build`` and ``data check``: notes last as they sound."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import bgmusic

from bgmusic.music.composing.phrase_sources import midi_phrases
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.midi.read import read_midi
from bgmusic.music.rolls.tracks import TrackSet

CASE = Path(__file__).parents[2] / "data" / "midi_cases" / "pedalled.mid"


def built(folder: Path, *options: str) -> Path:
    songs, out = folder / "songs", folder / "corpus"
    songs.mkdir()
    shutil.copy(CASE, songs)
    assert bgmusic("data", "build", songs, "--min-tracks", "1", "--out", out, *options) == 0
    return out


def test_notes_of_a_corpus_last_as_they_sound(tmp_path: Path) -> None:
    corpus = open_corpus(built(tmp_path, "--pedal"))
    assert corpus.settings.pedal
    expected = corpus.settings.quantise(read_midi(CASE, controls=True)).notes
    notes = corpus.roll(0).notes()
    first = expected[expected["onset"] < 4 * 48]
    assert notes[["onset", "pitch"]].tolist() == first[["onset", "pitch"]].tolist()
    assert np.array_equal(notes["duration"], np.minimum(first["duration"], 4 * 48 - first["onset"]))


def test_the_setting_is_kept_and_absent_without_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    held, plain = built(tmp_path / "with", "--pedal"), built(tmp_path / "without")
    assert json.loads((held / "meta.json").read_text())["settings"]["pedal"] is True
    assert "pedal" not in (plain / "meta.json").read_text().replace("pedalled.mid", "")
    assert not open_corpus(plain).settings.pedal
    assert "pedal: notes last as they sound" in "\n".join(open_corpus(held).describe())
    durations = [int(open_corpus(one).roll(0).notes()["duration"].sum()) for one in (held, plain)]
    assert durations[0] > 2 * durations[1]
    # Files that are compared with the corpus are read alike.
    phrases = midi_phrases(CASE, open_corpus(held).settings, 1)
    assert int(phrases.roll(0).notes()["duration"].sum()) == durations[0]


def test_settings_with_a_pedal_survive_json() -> None:
    settings = Settings.create(TrackSet.load("lpd-5"), 12, pedal=True)
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_check_says_what_the_pedal_would_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bgmusic("data", "check", CASE, "--min-tracks", "1") == 0
    out = capsys.readouterr().out
    assert "pedal: 8 presses; 64 of 64 pitched notes" in out
    assert "--pedal" in out
    assert bgmusic("data", "check", CASE, "--min-tracks", "1", "--pedal") == 0
    assert "as they do in the corpus" in capsys.readouterr().out
    assert bgmusic("data", "check", CASE.with_name("beat.mid"), "--min-tracks", "1") == 0
    assert "pedal" not in capsys.readouterr().out
