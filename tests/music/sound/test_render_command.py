"""``bgmusic render`` and ``generate --format wav``: MIDI, npz and runs as input; errors of one line."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from songs import level, song

from bgmusic.cli.main import main
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.midi_files import write_midi
from bgmusic.music.rolls.phrase_files import write_phrases
from bgmusic.music.sound import render, wav_bytes
from bgmusic.music.training.pianoroll import train_pianoroll
from bgmusic.yaml import load_preset, merge, validate

SMALL = {
    "network": {"width": 0.07, "latent": 8},
    "training": {"steps": 1, "batch": 4, "warmup": None, "d_updates": 1},
}
QUICK = ("--rate", "8000")


def run(*words: object, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main([*map(str, words)])
    assert (end.value.code or 0) == code


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    config = validate(PianorollConfig, merge(load_preset("pianoroll", "satb"), SMALL), "test")
    train_pianoroll(folder, config, "bach", quiet=True, device="cpu")
    return folder


@pytest.fixture(autouse=True)
def no_fluidsynth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Empty the search path, so that the built-in synthesizer plays even if FluidSynth is installed."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_render_of_midi_equals_the_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    piece = song((0, 1, 60), (1, 1, 64), bpm=120, end=4)  # a whole bar, as the file
    write_midi(piece, tmp_path / "piece.mid")
    run("render", tmp_path / "piece.mid", "--out", tmp_path / "piece.wav")
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'piece.wav'}: ")
    assert (tmp_path / "piece.wav").read_bytes() == wav_bytes(render(piece), 44_100)
    run("render", tmp_path / "piece.mid", "--out", tmp_path / "piece.flac", "--mono", "--reverb", 0, "--seconds", 0.5)
    audio, rate = soundfile.read(tmp_path / "piece.flac")
    assert (audio.ndim, rate) == (1, 44_100)
    assert 0.5 <= len(audio) / rate < 3
    for suffix in ("ogg", "mp3"):
        run("render", tmp_path / "piece.mid", "--out", tmp_path / f"piece.{suffix}", *QUICK, "--loudness", -30)
        audio, rate = soundfile.read(tmp_path / f"piece.{suffix}")
        assert rate == 8_000
        assert -45 < level(audio, 0, 1, rate) < -25


@pytest.mark.slow
def test_render_of_phrases_in_an_npz(tmp_path: Path) -> None:
    corpus = open_corpus("bach")
    write_phrases(corpus_phrases(corpus, np.array([3, 900, 1800])), tmp_path / "three.npz")

    def seconds(*words: object) -> float:
        run("render", tmp_path / "three.npz", "--out", tmp_path / "out.wav", "--bpm", 240, *QUICK, *words)
        return soundfile.info(tmp_path / "out.wav").duration

    # Four bars of 4/4 at 240 beats a minute are four seconds, a bar between phrases is one.
    for words, least in (((), 14), (("-n", 2), 9), (("--index", 1), 4), (("--index", 2, "-n", 1), 4)):
        assert least - 0.05 <= seconds(*words) < least + 5
    assert (tmp_path / "out.wav").read_bytes() == wav_bytes(render(corpus.roll(1800), 8_000, bpm=240), 8_000)


@pytest.mark.slow
def test_render_of_a_run(trained: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run("render", trained, "--out", tmp_path / f"{name}.wav", "-n", 1, "--seed", 3, *QUICK)
    audio, _ = soundfile.read(tmp_path / "one.wav")
    assert len(audio) >= 8 * 8_000
    assert np.abs(audio).max() > 0.01
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()


@pytest.mark.slow
def test_generate_writes_sound(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bgmusic.music.sound.DEFAULT_RATE", 8_000)
    run("generate", trained, "-n", 2, "--format", "mp3", "--out", tmp_path / "music")
    assert {path.name for path in (tmp_path / "music").iterdir()} == {"phrase-0000.mp3", "phrase-0001.mp3", "all.mp3"}
    assert soundfile.info(tmp_path / "music" / "phrase-0001.mp3").duration >= 8
    assert soundfile.info(tmp_path / "music" / "all.mp3").duration >= 18
    assert "2 phrases as sound" in capsys.readouterr().out
    monkeypatch.setattr("bgmusic.music.sound.rendering.MAX_SAMPLES", 18 * 32_000)  # one phrase and its tail, not two
    run("generate", trained, "-n", 2, "--format", "wav,flac", "--out", tmp_path / "long")
    assert {path.stem for path in (tmp_path / "long").iterdir()} == {"phrase-0000", "phrase-0001"}
    assert "the piece lasts 0:00:18" in capsys.readouterr().out
    run("generate", trained, "-n", 1, "--out", tmp_path / "usual")
    assert {path.suffix for path in (tmp_path / "usual").iterdir()} == {".mid", ".png", ".npz"}


@pytest.fixture
def files(tmp_path: Path, trained: Path) -> Path:
    """Make a folder with valid and invalid inputs."""
    folder = tmp_path / "files"
    folder.mkdir()
    write_midi(song((0, 1, 60)), folder / "piece.mid")
    (folder / "broken.mid").write_bytes(b"MThd")
    (folder / "broken.npz").write_bytes(b"PK")
    (folder / "broken.sf2").write_bytes(b"RIFF\4\0\0\0sfbk")
    write_phrases(corpus_phrases(open_corpus("bach"), np.arange(2)), folder / "two.npz")
    write_midi(song((0, 1, 60), (3 * 3600, 1, 60)), folder / "endless.mid")
    (folder / "run").symlink_to(trained)
    return folder


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["piece.mid", "--out", "piece.aiff"], "the suffix must name an audio format"),
        (["piece.mid", "--out", "piece.mid/piece.wav"], "Not a directory: piece.mid/piece.wav"),
        (["piece.mid", "--out", "x.mp3", "--rate", "96000"], "mp3 does not support"),
        (["piece.mid", "--out", "x.wav", "--rate", "100"], "rate must be from"),
        (["piece.mid", "--out", "x.wav", "--soundfont", "none.sf2"], "No such file or directory: none.sf2"),
        (["piece.mid", "--out", "x.wav", "--soundfont", "broken.sf2"], "is missing"),
        (["piece.mid", "--out", "x.wav", "--soundfont", "piece.mid"], "not a SoundFont"),
        (["piece.mid", "--out", "x.wav", "--synth", "fluidsynth"], "not installed"),
        (["piece.mid", "--out", "x.wav", "--index", "0"], "a MIDI file is one piece"),
        (["piece.mid", "--out", "x.wav", "--bpm", "90"], "--bpm and --seed are for phrases"),
        (["piece.mid", "--out", "x.wav", "--seed", "0"], "--bpm and --seed are for phrases"),
        (["two.npz", "--out", "x.wav", "--seed", "0"], "--seed is for runs"),
        (["piece.mid", "--out", "x.wav", "--seconds", "0"], "seconds must be greater than 0"),
        (["none.mid", "--out", "x.wav"], "No such file or directory"),
        (["none", "--out", "x.wav"], "no run"),
        (["broken.mid", "--out", "x.wav"], "broken.mid"),
        (["broken.npz", "--out", "x.wav"], "broken.npz"),
        (["two.npz", "--out", "x.wav", "--index", "2"], "no phrase 2 of 2"),
        (["two.npz", "--out", "x.wav", "-n", "3"], "3 phrases from number 0 on, but it has 2"),
        (["endless.mid", "--out", "x.wav"], "lasts 3:00:01"),
        (["run", "--out", "x.wav", "--index", "2"], "--seed"),
    ],
    ids=str,
)
def test_errors_are_one_line_and_write_nothing(
    words: list[str], says: str, files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(files)
    before = set(files.iterdir())
    run("render", *words, code=2)
    error = capsys.readouterr().err
    assert error.startswith("bgmusic: error: ")
    assert says in error
    assert error.count("\n") == 1
    assert set(files.iterdir()) == before


FAKE = """#!{python}
import os, sys
import numpy as np, soundfile
words = sys.argv[1:]
rate, out = int(words[words.index("-r") + 1]), words[words.index("-F") + 1]
soundfont, midi = words[-2:]
with open({log!r}, "w") as log:
    print(soundfont, open(midi, "rb").read()[:4], file=log)
{body}
"""
TONE = "soundfile.write(out, 0.001 * np.sin(np.arange(6 * rate) / 20).reshape(-1, 2), rate, subtype='FLOAT')"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (TONE, None),
        ("sys.exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 11)", "exit code -11"),
        ("sys.stderr.write('fluidsynth: error: Failed to load SoundFont'); " + TONE, "cannot use"),
        ("", "no readable audio"),
        ("open(out, 'wb').write(b'nothing')", "no readable audio"),
        ("import time; time.sleep(60)", "has not finished"),
    ],
    ids=["plays", "fails", "crashes", "refuses", "writes-nothing", "writes-nonsense", "hangs"],
)
def test_fluidsynth_runs_as_a_subprocess(
    body: str, says: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fake FluidSynth checks the call; every way to fail gives one line."""
    write_midi(song((0, 1, 60), bpm=120), tmp_path / "piece.mid")
    program, log, out = tmp_path / "bin" / "fluidsynth", tmp_path / "log", tmp_path / "piece.wav"
    program.write_text(FAKE.format(python=sys.executable, body=body, log=str(log)))
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    if "sleep" in body:
        monkeypatch.setattr("bgmusic.music.sound.fluidsynth._TIMEOUT", 1.0)
    run("render", tmp_path / "piece.mid", "--out", out, code=2 if says else 0)  # auto finds it
    if says is None:
        soundfont, head = log.read_text().split(maxsplit=1)
        assert soundfont.endswith("TimGM6mb.sf2")
        assert "MThd" in head
        audio, _ = soundfile.read(out)
        assert level(audio, 1, 2) > -25  # normalized
    else:
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
        assert not out.exists()
