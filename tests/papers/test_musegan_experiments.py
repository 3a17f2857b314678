"""BinaryMuseGAN's experiments run from end to end, and the table equals measurements of the phrases."""

from __future__ import annotations

import json
from math import nan
from pathlib import Path

import numpy as np
import pytest

from bgmusic.cli.main import main
from bgmusic.music.composing.phrase_sources import held_out, training
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.judging.evaluation import evaluate, nearness
from bgmusic.music.rolls.phrase_files import read_phrases
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.papers.musegan.experiments import columns, experiments
from bgmusic.papers.musegan.table import defined_rates, pair_of, published_rates

BAND = TrackSet.load("lpd-5").to_dict()


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["paper", "bmusegan", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bmusegan")
    assert run("--scale", "smoke", "--data", "bach", "--jobs", "1", "--out", str(out)) == 0
    return out


def test_experiments_equal_the_papers() -> None:
    found = {e.name: e for e in experiments()}
    assert len(found) == len(experiments()) == 10
    assert {c.experiment for c in columns()} == set(found)
    assert len([c for c in columns() if c.paper]) == 12
    assert all(e.start == ("pretrained" if e.strategy in ("two-stage", "joint") else None) for e in found.values())
    corpus = open_corpus("bach")
    configs = {name: e.config("full", corpus) for name, e in found.items() if name != "composer"}
    for config in configs.values():
        assert (config.training.steps, config.training.d_updates, config.encoding) == (17_180, 5, "pause")
        assert config.network.model_dump()["width"] == 1
    assert {name: c.training.batch for name, c in configs.items() if c.training.batch == 32}.keys() == {
        "pretrained",
        "ablated-1",
        "ablated-2",
    }
    assert configs["joint-sbn"].neuron == "sbn"
    assert configs["ablated-2"].network.model_dump()["discriminator"] == "ablated-2"


@pytest.mark.slow
def test_smoke_makes_the_table_and_the_figures(smoke: Path) -> None:
    results = json.loads((smoke / "results.json").read_text())["results"]
    assert [row["name"] for row in results] == ["training data", *(c.label for c in columns())]
    assert [row["ended"] for row in results[1:]] == ["finished"] * 13
    assert all(np.isfinite(row["distance"]["mean"]) for row in results)
    assert {path.name for path in (smoke / "figures").iterdir()} == {f"figure-{n}.png" for n in range(7, 12)}
    table = [line for line in (smoke / "results.md").read_text().splitlines() if line.startswith("| ")]
    assert len(table) == 1 + 14
    assert len({line.count("|") for line in table}) == 1


@pytest.mark.slow
def test_the_table_equals_measurements_of_the_phrases(smoke: Path) -> None:
    """Compare the table with plain loops over the written phrases."""
    results = {row["name"]: row for row in json.loads((smoke / "results.json").read_text())["results"]}
    for column in columns()[3::9]:
        phrases, _ = read_phrases(smoke / "phrases" / f"{column.file}.npz")
        assert len(phrases) == 16
        row = results[column.label]
        qualified, polyphony = by_loops(phrases)
        assert row["right"][0] == pytest.approx(qualified, abs=1e-5)
        assert row["right"][1] == pytest.approx(polyphony, abs=1e-5)
        assert row["published"][1] == pytest.approx(published_polyphony(phrases), abs=1e-5)
        corpus = open_corpus("bach")
        whole = evaluate(phrases, held_out(corpus).spread(40), training(corpus).spread(40))
        assert row["distance"]["mean"] == pytest.approx(whole.distance.mean)


def by_loops(phrases: Phrases) -> tuple[float, float]:
    """Return the mean shares of notes of two steps or more and of steps with more than two pitches."""
    rates, voices = [], []
    for number in range(len(phrases)):
        notes = phrases.roll(number).notes()
        for track in range(len(phrases.track_set)):
            lengths = notes["duration"][notes["track"] == track]
            rates.append(np.mean(lengths >= 2) if len(lengths) else nan)
        cells = phrases.cells[number] if phrases.onsets is None else phrases.cells[number] | phrases.onsets[number]
        voices.append((cells.sum(-1) > 2).mean())
    return float(np.nanmean(rates)), float(np.mean(voices))


def published_polyphony(phrases: Phrases) -> float:
    """Return the mean share of steps with two pitches or more in bars that are not empty."""
    cells = phrases.encoded("pause").cells
    rates = [(bar.sum(-1) > 1).mean() for track in cells.reshape(-1, *cells.shape[3:]) for bar in [track] if bar.any()]
    return float(np.mean(rates))


@pytest.mark.slow
def test_finished_runs_are_kept_and_another_scale_is_rejected(smoke: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [*(smoke / "runs").glob("*/metrics.jsonl"), *(smoke / "runs").glob("*/scores.jsonl")]
    before = {path: path.read_bytes() for path in files}
    assert len(before) == 20
    table = json.loads((smoke / "results.json").read_text())["results"]
    assert run("--scale", "smoke", "--data", "bach", "--jobs", "1", "--out", str(smoke)) == 0
    assert {path: path.read_bytes() for path in files} == before
    again = json.loads((smoke / "results.json").read_text())["results"]
    assert [row["right"] for row in again] == [row["right"] for row in table]
    capsys.readouterr()
    for other in (["--scale", "quick"], ["--scale", "smoke", "--seed", "1"]):
        assert run(*other, "--data", "bach", "--jobs", "1", "--out", str(smoke)) == 2
        assert "choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--data", "nowhere"], ["--data", "bach", "--scale", "huge"], []])
def test_wrong_options_exit_with_status_two(wrong: list[str], tmp_path: Path) -> None:
    assert run(*wrong, "--out", str(tmp_path / "out")) == 2
    assert not (tmp_path / "out").exists()


def test_the_pair_of_tracks() -> None:
    assert pair_of(TrackSet.load("lpd-8")) == (1, 2)
    assert pair_of(TrackSet.load("satb")) == (0, 1)


def test_rates_of_silence() -> None:
    tracks = TrackSet.load("satb")
    silent = Phrases(tracks, 4, np.zeros((2, 4, 4, 16, tracks.pitches), dtype=np.bool_))
    assert np.isnan(published_rates(silent)).all()
    qualified, polyphony, tonal = defined_rates(silent)
    assert np.isnan([qualified, tonal]).all()
    assert polyphony == 0


def test_drums_have_no_rates() -> None:
    kit = TrackSet.from_dict(BAND | {"tracks": BAND["tracks"][:1]})
    hits = Phrases(kit, 4, np.ones((2, 1, 4, 16, kit.pitches), dtype=np.bool_))
    assert pair_of(kit) is None
    assert np.isnan(defined_rates(hits)).all()
    assert np.isnan(published_rates(hits)).all()


@pytest.mark.slow
def test_nearness_equals_evaluate() -> None:
    corpus = open_corpus("bach")
    samples, unseen, learned = training(corpus).spread(20), held_out(corpus).spread(40), training(corpus).spread(60)
    whole = evaluate(samples, unseen, learned, seed=3)
    assert nearness(samples, unseen, learned, seed=3) == (whole.distance, whole.floor)
