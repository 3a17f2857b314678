"""Tempo and metre of generated, interpolated and accompanied music, and of what is rendered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import bgmusic as command
from timed_midi import timing_of, write_bars
from tiny_runs import SATB, make_run

import bgmusic
from bgmusic.errors import UserError
from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.networks.pianoroll_config import ComposerConfig, PianorollConfig
from bgmusic.music.rolls.phrase_files import read_phrases
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.music.training.pianoroll import fit


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run at 90 beats per minute."""
    shape = SATB.model_copy(update={"bpm": 90.0})
    return make_run(tmp_path_factory.mktemp("run") / "run", shape)


@pytest.mark.parametrize("options", [["generate", "-n", 2], ["interpolate", "--from", 1, "--to", 2, "--steps", 2]])
@pytest.mark.parametrize(("bpm", "expected"), [(None, 90.0), (72.5, 72.5)])
def test_generated_files_have_the_tempo(
    run: Path, tmp_path: Path, options: list[object], bpm: float | None, expected: float
) -> None:
    name, *others = options
    chosen = ["--bpm", bpm] if bpm else []
    assert command(name, run, *others, *chosen, "--format", "mid,npz", "--out", tmp_path) == 0
    files = sorted(tmp_path.glob("*.mid"))
    assert len(files) == 3
    for file in files:
        metres, tempos, ends = timing_of(file)
        assert (metres, tempos) == ([(0, 4, 4)], [(0, pytest.approx(expected, abs=1e-3))])
        assert ends == {36.0 if file.stem == "all" else 16.0}
    phrases, meta = read_phrases(tmp_path / "rolls.npz")
    assert (meta["bpm"], meta["metre"]) == (expected, [4, 4])
    assert phrases.roll(1).bpm == expected


def test_rendering_is_in_the_tempo_of_the_phrase(run: Path, tmp_path: Path) -> None:
    lengths = {}
    assert command("generate", run, "-n", 1, "--format", "mid,npz", "--out", tmp_path) == 0
    for source in ("phrase-0000.mid", "rolls.npz"):
        assert command("render", tmp_path / source, "--out", tmp_path / "a.wav", "--rate", 8000) == 0
        lengths[source] = soundfile.info(tmp_path / "a.wav").duration
    assert command("render", run, "-n", 1, "--out", tmp_path / "a.wav", "--rate", 8000) == 0
    assert lengths["phrase-0000.mid"] == pytest.approx(lengths["rolls.npz"], abs=0.05)
    assert soundfile.info(tmp_path / "a.wav").duration == lengths["rolls.npz"] > 16 * 60 / 90
    assert command("render", run, "-n", 1, "--out", tmp_path / "a.wav", "--rate", 8000, "--bpm", 180) == 0
    assert 16 * 60 / 180 < soundfile.info(tmp_path / "a.wav").duration < 16 * 60 / 90


@pytest.mark.parametrize("bpm", [3, 1001])
def test_impossible_tempos_are_refused(run: Path, tmp_path: Path, bpm: float) -> None:
    assert command("generate", run, "-n", 1, "--bpm", bpm, "--out", tmp_path / "out") == 2
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="4 to 1000"):
        bgmusic.load(run).generate(1, bpm=bpm)
    with pytest.raises(UserError, match="4 to 1000"):
        bgmusic.load(run).interpolate(1, 2, bpm=bpm)


def test_accompaniments_keep_the_tempos_of_the_file(run: Path, tmp_path: Path) -> None:
    shape = bgmusic.load(run).shape
    song = write_bars(tmp_path / "song.mid", [(2, 3, 4), (6, 4, 4)], tempos=[(0, 80), (14, 120)])
    given = bgmusic.read(song, resolution=4, first_bar=2)
    assert given.tempos == ((0, 80.0), (32, pytest.approx(120.0)))
    (made,) = bgmusic.load(run).accompany(song, 0)
    assert (made.roll.metre, made.roll.bars, made.roll.steps) == ((4, 4), 6, shape.steps)
    assert made.roll.tempos == given.tempos
    made.save(tmp_path / "out.mid")
    metres, tempos, ends = timing_of(tmp_path / "out.mid")
    assert (metres, tempos, ends) == ([(0, 3, 4), (6, 4, 4)], [(0, 80.0), (14, 120.0)], {30.0})


def test_a_run_keeps_metre_and_median_tempo_of_its_corpus(tmp_path: Path) -> None:
    songs = [write_bars(tmp_path / f"{bpm}.mid", [(bars, 6, 8)], tempos=[(0, bpm)]) for bpm, bars in ((60, 5), (99, 8))]
    settings = Settings.create(TrackSet.load("lpd-5"), 4, metre=(6, 8), min_tracks=1, shares=(1.0, 0.0, 0.0))
    build_corpus(songs, tmp_path / "corpus", settings)
    config = fit(PianorollConfig(network=ComposerConfig(channels=8)), open_corpus(tmp_path / "corpus"))
    assert config.rolls is not None
    assert (config.rolls.metre, round(config.rolls.bpm or 0, 2)) == ((6, 8), 99)

    # An older run has neither: they come from its corpus, if that is still there.
    old = make_run(tmp_path / "old", config.rolls.model_copy(update={"metre": (3, 4), "bpm": None}))
    places = json.loads((old / "environment.json").read_text())
    (old / "environment.json").write_text(json.dumps(places | {"data": str(tmp_path / "corpus")}))
    config, shape, _ = load_generator(old)
    assert (shape.metre, round(shape.bpm or 0, 2)) == ((6, 8), 99)
    assert config.rolls == shape
    assert bgmusic.load(old).generate(1)[0].metre == (6, 8)
    shutil.rmtree(tmp_path / "corpus")
    assert load_generator(old)[1].bpm is None
    assert bgmusic.load(old).generate(1)[0].bpm == 120


def test_shipped_generators_play_in_the_median_tempo_of_their_corpus() -> None:
    for name, bpm in (("bach", 120.0), ("freedoom", 115.0)):
        composer = bgmusic.load(f"generator:{name}")
        assert (composer.shape.bpm, composer.shape.metre) == (bpm, (4, 4))


def test_a_saved_composer_keeps_the_tempo(run: Path, tmp_path: Path) -> None:
    bgmusic.load(run).save_pretrained(tmp_path / "saved")
    assert bgmusic.load(tmp_path / "saved").shape == bgmusic.load(run).shape
    one, other = (bgmusic.load(place).generate(1, seed=3)[0] for place in (run, tmp_path / "saved"))
    assert (one.tempos, other.tempos) == (((0, 90.0),), ((0, 90.0),))
    assert np.array_equal(one.cells, other.cells)
