"""Test the commands that compose music from a run or a shipped generator."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pytest
from command_line import bgmusic
from tiny_runs import SATB, make_run

from bgmusic.music.midi.song import NOTE, TEMPO, Song, table
from bgmusic.music.rolls.midi_files import write_midi
from bgmusic.music.rolls.phrase_files import read_phrases


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run") / "run", SATB)


Refused = Callable[[list[str], str], None]


@pytest.fixture
def refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return a function that runs a command in an empty folder and checks its one-line error; RUN stands for a run."""
    monkeypatch.chdir(tmp_path)

    def refuse(arguments: list[str], phrase: str) -> None:
        assert bgmusic(*(str(run) if word == "RUN" else word for word in arguments)) == 2
        text = capsys.readouterr().err
        assert text.startswith("bgmusic: error: ")
        assert phrase in text
        assert text.count("\n") == 1

    return refuse


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_generate_writes_long_pieces(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert bgmusic("generate", run, "--bars", 18, "-n", 2, "--seed", 3, "--out", out) == 0
    assert names(out) == {"all.mid", "piece-0000.mid", "piece-0001.mid", "rolls.npz", "rolls.png"}
    phrases, meta = read_phrases(out / "rolls.npz")
    assert phrases.cells.shape == (2, 4, 18, 16, 48)
    assert (meta["bars"], meta["seed"], meta["run"]) == (18, 3, str(run))
    assert (
        bgmusic("generate", run, "--bars", 2, "-n", 2, "--seed", 3, "--format", "npz", "--out", tmp_path / "short") == 0
    )
    short, _ = read_phrases(tmp_path / "short" / "rolls.npz")
    assert np.array_equal(short.cells, phrases.cells[:, :, :2])


def test_files_of_an_earlier_command_are_reported(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def output(*options: object) -> str:
        assert bgmusic("generate", run, "--format", "mid", "--out", tmp_path / "out", *options) == 0
        return capsys.readouterr().out

    assert "earlier command" not in output("-n", 4)
    (tmp_path / "out" / "phrase-user.mid").write_text("kept")
    assert "earlier command" not in output("-n", 4)
    assert "earlier command: phrase-0003.mid" in output("-n", 3)
    assert "earlier command: phrase-0000.mid to phrase-0003.mid" in output("--bars", 6, "-n", 1)
    assert bgmusic("generate", run, "--format", "NPZ, .mid", "--out", tmp_path / "other", "-n", 1) == 0
    capsys.readouterr()
    assert bgmusic("generate", run, "--format", "mid", "--out", tmp_path / "other", "-n", 1, "--seed", 2) == 0
    assert "earlier command: rolls.npz" in capsys.readouterr().out, "of another piece than the new MIDI files"
    assert names(tmp_path / "out") >= {"phrase-0003.mid", "phrase-user.mid", "piece-0000.mid"}


def test_interpolate_ends_in_the_phrases_of_both_seeds(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert bgmusic("interpolate", run, "--from", 1, "--to", 2, "--steps", 3, "--out", out) == 0
    assert names(out) == {"all.mid", *(f"step-{step:04d}.mid" for step in range(3)), "rolls.npz", "rolls.png"}
    path, meta = read_phrases(out / "rolls.npz")
    assert (meta["from"], meta["to"]) == (1, 2)
    for seed, place in ((1, 0), (2, 2)):
        assert bgmusic("generate", run, "-n", 1, "--seed", seed, "--format", "npz", "--out", tmp_path / "end") == 0
        end, _ = read_phrases(tmp_path / "end" / "rolls.npz")
        assert np.array_equal(end.cells[0], path.cells[place])


@pytest.mark.slow
def test_the_shipped_generator_composes_chorales(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # a folder of the same name does not hide the generator
        assert bgmusic("generate", "bach", "-n", 1, "--bars", 5, "--format", "mid,npz", "--out", "bach") == 0
    check_music(tmp_path / "bach")


def check_music(folder: Path) -> None:
    """Check tracks, programs and the density of notes."""
    phrases, _ = read_phrases(folder / "rolls.npz")
    assert 0.005 < phrases.cells.mean() < 0.05  # chorales: 0.021
    song = pretty_midi.PrettyMIDI(str(folder / "piece-0000.mid"))
    assert [instrument.name for instrument in song.instruments] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert {instrument.program for instrument in song.instruments} == {52}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import muspy

        music: Any = muspy.read_midi(str(folder / "piece-0000.mid"))
    assert [track.program for track in music.tracks] == [52] * 4
    assert all(track.notes for track in music.tracks)


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["generate", "RUN", "--bars", "1025"], "1 to 1024"),
        (["generate", "RUN", "--bars", "1024", "-n", "9999"], "cells"),
        (["generate", "RUN", "--bars", "0"], "bars"),
        (["generate", "generator:nothing"], "bach"),
        (["interpolate", "RUN", "--from", "1", "--to", "2", "--steps", "1"], "steps"),
        (["interpolate", "RUN", "--from", "1"], "--to"),
        (["interpolate", "nothing", "--from", "1", "--to", "2"], "no run nothing"),
        (["interpolate", "RUN", "--from", "1", "--to", "2", "--format", "gif"], "'gif' is none of"),
    ],
    ids=str,
)
def test_mistakes_end_in_one_line(refused: Refused, arguments: list[str], phrase: str, tmp_path: Path) -> None:
    refused(arguments, phrase)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["generate", "RUN", "--out", "file"], "Not a directory: file"),
        (["generate", "RUN", "--out", "file/deep"], "Not a directory: file/deep"),
        (["generate", "RUN", "--bars", "1024", "--format", "mid,mp3"], "0:34:08"),
        (["interpolate", "RUN", "--from", "1", "--to", "2", "--out", "file"], "Not a directory: file"),
        (["accompany", "RUN", "SONG", "--given", "Soprano", "--out", "file"], "Not a directory: file"),
        (["accompany", "RUN", "LONG", "--given", "Soprano", "--format", "wav"], "sound"),
        (["report", "RUN", "--out", "file/deep/page.html"], "Not a directory: file/deep/page.html"),
        (["report", "RUN", "--out", "."], "Is a directory: ."),
        (["render", "RUN", "--out", "file/song.wav"], "Not a directory: file/song.wav"),
        (["render", "RUN", "--out", "song.wav", "--reverb", "7"], "reverb"),
    ],
    ids=str,
)
def test_unwritable_output_is_refused_before_composing(
    refused: Refused, arguments: list[str], phrase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgmusic.music.networks.composer.network.Composer.forward", lambda *_: pytest.fail("composed"))
    (tmp_path / "file").write_text("kept")
    for name, beats in (("SONG", 12), ("LONG", 3000)):
        rows = [(beat * 480, 480, 60, 64, 52, False, 0) for beat in (0, beats)]
        write_midi(Song(480, table(NOTE, rows), table(TEMPO, [(0, 120.0)]), parts=("Soprano",)), tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    refused(arguments, phrase)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_metadata_of_rolls_is_json(run: Path, tmp_path: Path) -> None:
    assert bgmusic("generate", run, "-n", 1, "--format", "npz", "--out", tmp_path) == 0
    with np.load(tmp_path / "rolls.npz") as arrays:
        assert json.loads(str(arrays["meta"]))["bars"] == 4
