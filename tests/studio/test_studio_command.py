"""The studio's command line: the command that the page shows makes the same notes again."""

from __future__ import annotations

import shlex
import threading

import numpy as np
import pretty_midi
import pytest
from command_line import bgmusic, refusal
from studio_client import compose, edit, post

from bgmusic.api import read
from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.rolls.reading import read_npz_roll
from bgmusic.studio.free_units import parse_free, write_free

SHAPE = PlanShape(("Drums", "French horn", "a,b", "3"), (True, False, False, False), 4, 4)


def line_of(client):
    answer = client.get("/api/command")
    assert answer.status_code == 200, answer.text
    return answer.json()


def notes_of(client):
    return [row[:4] for row in client.get("/api/state").json()["notes"]]


def made_by(client, folder, monkeypatch):
    """Run the command in an empty folder with the files that it reads, and return the notes that it makes."""
    command = line_of(client)
    stem = client.get("/api/state").json()["stem"]
    for kind in command["files"]:
        (folder / f"{stem}.{kind}").write_bytes(client.get(f"/api/export/{kind}").content)
        assert f"{stem}.{kind}" in shlex.split(command["line"])
    words = shlex.split(command["line"])
    assert words[0] == "bgmusic"
    monkeypatch.chdir(folder)
    assert bgmusic(*words[1:], "--format", "npz,mid", "--out", "made") == 0
    roll = read_npz_roll(folder / "made/rolls.npz", None, 0, None)
    assert roll.bpm == client.get("/api/state").json()["bpm"]
    return [list(row) for row in roll.notes().tolist()]


@pytest.mark.slow
@pytest.mark.parametrize(("composer", "bars"), [("voices", 5), ("band", 5), ("planned", 4)])
def test_the_command_makes_the_piece(client, composer, bars, tmp_path, monkeypatch):
    post(client, "new", generator=composer, bars=bars)
    assert client.get("/api/command").status_code == 400
    # From a seed alone.
    compose(client, seed=11)
    assert line_of(client)["line"].startswith("bgmusic generate")
    assert made_by(client, tmp_path, monkeypatch) == notes_of(client)
    # Under decisions.
    edit(client, do="tempo", bpm=77)
    edit(client, do="key", name="Eb")
    compose(client, seed=14)
    assert "--key Eb" in line_of(client)["line"]
    assert made_by(client, tmp_path, monkeypatch) == notes_of(client)
    edit(client, do="chords", line="C | Am | F G | ?", bar=0)
    for bar in (1, 3):
        edit(client, do="decide", part="form", track=1, bar=bar, value=1)
    edit(client, do="decide", part="instruments", track=2, bar=2, value=False)
    if composer == "planned":
        edit(client, do="decide", part="activity", track=0, bar=2, value=3)
    compose(client, seed=12)
    line = line_of(client)["line"]
    assert "--chords" in line
    assert not line_of(client)["files"]
    assert made_by(client, tmp_path, monkeypatch) == notes_of(client)
    # Notes that were drawn, a locked track, and a part that is composed again.
    edit(client, do="add", notes=[[1, 5, 6, 60], [2, 18, 3, 57]])
    assert "edited after" in client.get("/api/command").json()["error"]
    edit(client, do="lock", on=True, tracks=[3], beats=[4, 9])
    edit(client, do="title", title="Mine / 1")
    compose(client, seed=13, beats=[3, 14])
    command = line_of(client)
    assert command["files"] == ["given.mid"]
    assert "--given Mine-1.given.mid" in command["line"]
    assert made_by(client, tmp_path, monkeypatch) == notes_of(client)
    # An alternative has its own command.
    before = command["line"]
    edit(client, do="lock", on=False)
    edit(client, do="own", on=False, notes=[[1, 5, 60], [2, 18, 57]])
    edit(client, do="show", take=0)
    assert line_of(client)["line"].startswith("bgmusic generate")
    edit(client, do="show", take=3)
    assert line_of(client)["line"] == before


def test_a_long_plan_is_a_file(client, tmp_path, monkeypatch):
    post(client, "new", generator="voices", bars=60)  # more new bars than there are letters
    post(client, "edit", edits=[{"do": "decide", "part": "form", "track": 0, "bar": bar, "value": bar}
                                for bar in range(60)])  # fmt: skip
    compose(client, beats=[0, 8])
    assert line_of(client)["files"] == ["plan.json"]
    assert made_by(client, tmp_path, monkeypatch) == notes_of(client)


def test_a_melody_is_given(client, tmp_path, monkeypatch):
    compose(client, seed=3)
    (tmp_path / "song.mid").write_bytes(client.get("/api/export/mid").content)
    client.post("/api/import", params={"given": "0"}, content=(tmp_path / "song.mid").read_bytes())
    compose(client, seed=4)
    assert "--free 'Alto:all, Tenor:all, Bass:all'" in line_of(client)["line"]
    assert made_by(client, tmp_path, monkeypatch) == notes_of(client)


def test_what_is_edited_while_it_is_composed_has_no_command(client, composers, monkeypatch):
    edited = threading.Event()
    start = composers.start

    def start_and_end_after_the_edit(state, free, seed, report, done):
        return start(state, free, seed, report, lambda job, edit: edited.wait(60) and done(job, edit))

    monkeypatch.setattr(composers, "start", start_and_end_after_the_edit)
    post(client, "compose", seed=1)
    post(client, "edit", edits=[{"do": "lock", "on": True, "tracks": [0], "beats": [0, 1]}])
    edited.set()
    while not client.get("/api/state").json()["composed"]:
        pass
    assert client.get("/api/command").status_code == 400


def test_units_are_written_and_read():
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.9):
        free = rng.random((4, 16)) < share
        assert np.array_equal(parse_free(write_free(free, SHAPE), SHAPE), free)
    free = np.zeros((4, 16), bool)
    free[1, 4:12] = True
    assert write_free(free, SHAPE) == "French horn:2-3"
    free[:] = True
    assert write_free(free, SHAPE) == "all"
    free[:, 5:] = False
    assert write_free(free, SHAPE) == "1.1-2.1"
    assert parse_free("Drums, french horn:4", SHAPE).sum() == 20
    for wrong in ("", "Tuba", "Drums:0", "Drums:5", "Drums:1.5", "Drums:3-2", "Drums:x", "1-", "Drums:", ",", "9" * 50):
        with pytest.raises(UserError):
            parse_free(wrong, SHAPE)
    for wrong, says in (("Drums:3-2", "ends before it begins"), ("Drums:1.5", "beats"), ("Drums:5", "bars")):
        with pytest.raises(UserError, match=says):
            parse_free(wrong, SHAPE)


def test_parts_of_a_file_are_composed(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bgmusic("generate", runs["voices"], "-n", 1, "--bpm", 77, "--format", "mid", "--out", "song") == 0
    song = tmp_path / "song/phrase-0000.mid"
    words = ("compose", runs["voices"], "--given", song, "--free", "Alto:2-3")
    assert bgmusic(*words, "-n", 2, "--format", "mid", "--seed", 5) == 0
    before, first, second = (
        read(path, "satb", 4).channels()
        for path in (song, tmp_path / "composed/piece-0000.mid", tmp_path / "composed/piece-0001.mid")
    )
    kept = np.ones(before.shape, bool)
    kept[1::4, 1:3] = False
    for made in (first, second):
        assert np.array_equal(made[kept], before[kept])
    assert read(tmp_path / "composed/piece-0000.mid", "satb", 4).bpm == pytest.approx(77, abs=0.01)
    capsys.readouterr()
    assert bgmusic(*words, "--bars", 6, "--bpm", 90, "--format", "mid", "--out", "longer") == 0
    assert "ends after bar 4" in capsys.readouterr().err
    assert read(tmp_path / "longer/piece-0000.mid", "satb", 4).bpm == pytest.approx(90, abs=0.01)
    assert not np.array_equal(first, second)
    loud = pretty_midi.PrettyMIDI(str(song))
    for note in loud.instruments[0].notes:
        note.velocity, note.start = 33, note.start + 0.01
    loud.write(str(tmp_path / "loud.mid"))
    assert bgmusic(*words[:3], tmp_path / "loud.mid", *words[4:], "--format", "mid", "--out", "loud") == 0
    soprano = pretty_midi.PrettyMIDI(str(tmp_path / "loud/piece-0000.mid")).instruments[0].notes
    known = pretty_midi.PrettyMIDI(str(tmp_path / "loud.mid")).instruments[0].notes
    assert [(note.pitch, note.velocity) for note in soprano] == [(note.pitch, 33) for note in known]
    assert [note.start for note in soprano] == pytest.approx([note.start for note in known], abs=2e-3)
    assert "exclude each other" in refusal(capsys, *words, "--track", "Alto")
    assert bgmusic(*words[:-1], "Alto:2", "--bars", 2, "--format", "mid", "--out", "short") == 0
    shorter = read(tmp_path / "short/piece-0000.mid", "satb", 4).channels()  # what is behind bar 2 stays
    assert np.array_equal(shorter[:, 2:], before[:, 2:])
    assert "would overwrite" in refusal(capsys, *words[:3], "composed/piece-0000.mid", *words[4:])
    capsys.readouterr()
    assert bgmusic(*words[:-1], "Alto:1", "--form", "Alto:ABAB", "--format", "mid", "--out", "kept") == 0
    assert "Alto: bar 3 is kept, so it does not repeat bar 1" in capsys.readouterr().err
    assert "no track" in refusal(capsys, *words[:-1], "Tuba")
    band = tmp_path / "band.mid"  # its parts have other names
    open_corpus("freedoom").roll(0).save(band)
    assert "needs 4 parts" in refusal(capsys, *words[:3], band, *words[4:])
    read(song, "satb", 4).save(tmp_path / "high.mid")
    high = pretty_midi.PrettyMIDI(str(tmp_path / "high.mid"))
    high.instruments = high.instruments[:1]
    for note in high.instruments[0].notes:
        note.pitch = 100
    high.write(str(tmp_path / "high.mid"))
    assert "outside a track's range" in refusal(capsys, *words[:3], tmp_path / "high.mid", *words[4:])
