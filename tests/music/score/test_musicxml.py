"""MusicXML: read back by music21 and partitura with the same notes, valid, complete, and the same in each run."""

from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.midi.song import table
from bgmusic.music.rolls.checks import STEP_NOTE
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import Track, TrackSet
from bgmusic.music.score import engraving
from bgmusic.music.score.engraving import svg_text
from bgmusic.music.score.musicxml import musicxml_bytes
from bgmusic.music.score.percussion import drum

TRIO = TrackSet("trio", (Track("Drums", 0, True), Track("Piano & <co>", 0), Track("Bass", 33)), low=24, pitches=84)
BENCH = Path(__file__).parents[3] / "bench/score_round_trip.py"
libraries_warn = pytest.mark.filterwarnings("ignore")  # music21 and partitura, when they read


@pytest.fixture(scope="module")
def bench():
    """The round trips of the benchmark."""
    spec = importlib.util.spec_from_file_location("score_round_trip", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def a_roll(metre=None):
    """Return two bars with a chord over the bar line, triplets, a sliced passage and drums."""
    notes = [
        (0, 0, 1, 36),
        (0, 0, 1, 42),
        (0, 6, 1, 42),
        (0, 16, 1, 38),
        (1, 0, 40, 60),
        (1, 36, 24, 67),
        (1, 40, 8, 64),
        (1, 0, 36, 50),
        (2, 0, 4, 36),
        (2, 4, 4, 38),
        (2, 8, 4, 39),
        (2, 40, 30, 31),
    ]
    length = 48 if metre is None else 36
    roll = Roll.from_notes(table(STEP_NOTE, sorted(notes, key=lambda row: row[1])), TRIO, 12, 2, length)
    return Roll(TRIO, 12, roll.cells, roll.onsets, metre, ((0, 90.0), (48, 100.0)))


def tree(roll, **options):
    return ElementTree.fromstring(musicxml_bytes(roll, **options))  # noqa: S314 (our own file)


@libraries_warn
@pytest.mark.parametrize("metre", [None, (3, 4), (6, 8)])
def test_the_same_notes_are_read(bench, tmp_path, metre):
    roll, path = a_roll(metre), tmp_path / "two.musicxml"
    roll.save(path)
    notes, read_metre = bench.by_music21(path)
    assert notes == bench.expected(roll, True)
    assert read_metre == roll.metre
    assert bench.by_partitura(path) == bench.expected(roll, False)


@libraries_warn
@pytest.mark.slow
@pytest.mark.parametrize("name", ["bach", "freedoom"])
def test_phrases_of_corpora_come_back(bench, tmp_path, name):
    from partitura.io.importmusicxml import validate_musicxml

    corpus, path = open_corpus(name), tmp_path / "one.musicxml"
    for index in range(7, len(corpus), len(corpus) // 4):
        roll = corpus.roll(index)
        roll.save(path)
        assert bench.by_music21(path)[0] == bench.expected(roll, True)
        assert bench.by_partitura(path) == bench.expected(roll, False)
    assert validate_musicxml(path)


def test_names_instruments_and_tempos():
    root = tree(a_roll(), title="A & B")
    assert root.findtext("movement-title") == "A & B"
    assert [one.text for one in root.iterfind("part-list/score-part/part-name")] == ["Drums", "Piano & <co>", "Bass"]
    assert [one.text for one in root.iterfind(".//midi-program")][-1] == "34"
    assert [float(one.get("tempo")) for one in root.iterfind(".//sound[@tempo]")] == [90, 100]
    assert not tree(Roll(TRIO, 12, a_roll().cells)).findall(".//sound[@tempo]")
    slower = tree(a_roll(), bpm=60).findall(".//sound[@tempo]")
    assert [float(one.get("tempo")) for one in slower] == [60]


def test_every_drum_has_its_instrument():
    root = tree(a_roll())
    part = root.find("part")
    sounds = {
        one.get("id"): int(one.findtext("midi-unpitched")) - 1
        for one in root.iterfind("part-list/score-part[1]/midi-instrument")
    }
    struck = [
        sounds[one.find("instrument").get("id")] for one in part.iter("note") if one.find("unpitched") is not None
    ]
    assert struck == [36, 42, 42, 38]
    assert not part.findall(".//tie")
    assert {drum(pitch).name for pitch in range(128)} >= {"Acoustic Snare", "Drum 0", "Drum 127"}


def test_ties_cross_bar_lines_and_the_choir_has_two_voices():
    bass = tree(a_roll()).findall("part")[-1]
    first, second = bass.findall("measure")
    assert [tie.get("type") for tie in first.iter("tie")] == ["start"]
    assert next(iter(second.iter("tie"))).get("type") == "stop"
    choir = tree(open_corpus("bach").roll(3))
    for part in choir.iterfind("part"):
        stems = {
            (note.findtext("voice"), note.findtext("stem"))
            for note in part.iter("note")
            if note.find("stem") is not None
        }
        assert stems == {("1", "up"), ("2", "down")}
    assert [one.findtext("sign") for one in choir.iter("clef")] == ["G", "F"]


def test_a_roll_of_silence():
    roll = Roll(TRIO, 12, np.zeros((3, 2, 48, 84), dtype=np.bool_))
    root = tree(roll)
    assert len(root.findall(".//rest[@measure='yes']")) == 6
    assert "<svg" in svg_text(roll)


def test_the_same_roll_gives_the_same_bytes():
    assert musicxml_bytes(a_roll()) == musicxml_bytes(a_roll())
    assert svg_text(a_roll()) == svg_text(a_roll())
    assert b"encoding-date" not in musicxml_bytes(a_roll())


def test_the_picture_has_all_notes(tmp_path):
    roll = a_roll()
    roll.save(tmp_path / "two.svg", bpm=80)
    text = (tmp_path / "two.svg").read_text()
    ElementTree.fromstring(text)  # noqa: S314 (our own file)
    heads = text.count('class="note"')
    written = sum(note.find("rest") is None for note in tree(roll).iter("note"))
    assert heads == written


def test_pictures_are_engraved_in_any_thread():
    here = svg_text(a_roll())
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(svg_text, a_roll()).result()
    assert there.count("<use") == here.count("<use") > 0


def test_what_cannot_be_written(monkeypatch):
    odd = Roll(TRIO, 5, np.zeros((3, 1, 7, 84), dtype=np.bool_))
    with pytest.raises(UserError, match="no time signature for a score"):
        musicxml_bytes(odd)
    with pytest.raises(TypeError, match="made from a Roll"):
        musicxml_bytes("roll")
    monkeypatch.setattr(engraving, "_OPTIONS", engraving._OPTIONS | {"pageHeight": 100, "pageWidth": 500})
    with pytest.raises(UserError, match="too long for one picture"):
        svg_text(a_roll())
    monkeypatch.setitem(sys.modules, "verovio", None)
    monkeypatch.setattr("bgmusic.music.score.libraries.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'bgmusic\[score\]'"):
        svg_text(a_roll())
    with pytest.raises(UserError, match="scores need music21"):
        musicxml_bytes(a_roll())
