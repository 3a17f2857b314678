"""Test ``bgmusic neurons``."""

import json
from pathlib import Path

import pytest
from command_line import bgmusic

from bgmusic.neurons import ESTIMATORS, SCORE_FUNCTIONS


def test_bench_measures_every_estimator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    assert bgmusic("neurons", "bench", "--samples", "2000", "--bits", "3", "--no-cost", "--json", str(file)) == 0
    printed = capsys.readouterr().out
    results = json.loads(file.read_text())
    names = set(ESTIMATORS) | set(SCORE_FUNCTIONS) - {"exact"}
    assert len(results) == 5
    for values in results.values():
        assert set(values) == names
        assert all(-1.001 <= estimator["cosine"] <= 1.001 for estimator in values.values())
    assert results["linear"]["sigmoid-adjusted"]["bias"] < 1e-5
    assert results["linear"]["straight-through"]["bias"] > 1
    assert "reinmax" in printed


@pytest.mark.slow
def test_vae_trains_stops_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["vae", "--out", str(tmp_path / "vae"), "--estimators", "rloo", "--steps", "1"]
    assert bgmusic("neurons", *args, "--minutes", "0.001") == 0
    assert bgmusic("neurons", *args) == 0
    printed = capsys.readouterr().out
    assert "linear-rloo  step 1  ELBO train -2" in printed
    assert "results-linear.json" in printed
    assert json.loads((tmp_path / "vae" / "results-linear.json").read_text())["rloo"]["step"] == 1


def test_an_unknown_estimator_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bgmusic("neurons", "vae", "--out", str(tmp_path), "--estimators", "rloo,magic") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'magic'" in error
    assert not list(tmp_path.iterdir())
