"""BinaryGAN's experiments have the paper's settings, and the command runs from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bgmusic.cli.main import main
from bgmusic.papers.binarygan.experiments import experiments
from bgmusic.papers.binarygan.report import around_half, shape_of_histogram


def test_experiments_equal_the_papers() -> None:
    found = experiments()
    assert len({e.name for e in found}) == len(found) == 15
    assert len([e for e in found if "Figure 8" in e.parts]) == 12
    assert {e.name for e in found if "I" in e.parts} == {"mlp-dbn-wgan-gp", "mlp-sbn-wgan-gp"}
    assert {e.name for e in found if "II" in e.parts} == {"mlp-dbn-wgan-gp", "mlp-sbn-wgan-gp", "mlp-real-wgan-gp"}
    assert {e.objective for e in found if "III" in e.parts} == {"gan", "wgan", "wgan-gp"}
    assert {e.network for e in found if "IV" in e.parts} == {"mlp", "cnn"}


def test_full_scale_equals_the_papers_recipe() -> None:
    configs = {e.name: e.config("full") for e in experiments()}
    for config in configs.values():
        assert config.training.steps == 18_740
        assert config.training.batch == 64
        assert config.training.d_updates == 5
        assert (config.training.slope.growth, config.training.slope.every) == (1.1, 937)
    wgan, gan, penalty = (configs[name].training for name in ("mlp-dbn-wgan", "mlp-dbn-gan-bn", "mlp-dbn-wgan-gp"))
    assert (wgan.clip, wgan.d_optimizer.kind, wgan.d_optimizer.smoothing) == (0.01, "rmsprop", 0.9)
    assert (gan.objective, gan.penalty.kind, gan.clip) == ("gan", "none", None)
    assert (penalty.penalty.kind, penalty.penalty.weight, penalty.d_optimizer.betas) == ("wgan-gp", 10.0, (0.5, 0.9))


def test_histogram_shape_detects_a_notch() -> None:
    rng = np.random.default_rng(0)
    flat = rng.random(100_000)
    notched = flat[(flat < 0.48) | (flat > 0.52)]
    assert shape_of_histogram(flat)["notch"] == pytest.approx(1, abs=0.1)
    assert shape_of_histogram(notched)["notch"] == 0
    assert shape_of_histogram(flat)["ends"] == pytest.approx(0.1, abs=0.01)
    assert shape_of_histogram(np.zeros(10))["ends"] == 1
    assert around_half(np.array([0.5, 0.49, 0.51, 0.33, 0.66, 0.0, 1.0, 0.47])) == [
        1 / 8,
        0,
        0,
        1 / 8,
        3 / 8,
        0,
        0,
        0,
        1 / 8,
    ]


@pytest.mark.parametrize("wrong", [[], [255.0], [-0.1], [float("nan")]])
def test_wrong_preactivated_outputs_are_rejected(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        shape_of_histogram(np.array(wrong))


@pytest.mark.slow
def test_smoke_runs_everything_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["paper", "binarygan", "--scale", "smoke", "--jobs", "1", "--out", str(tmp_path)]
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert not ended.value.code
    results = json.loads((tmp_path / "results.json").read_text())
    assert [row["ended"] for row in results["results"]] == ["finished"] * 16
    assert {row["name"] for row in results["results"]} > {"mlp-real-wgan-gp + HT", "mlp-real-wgan-gp + BS"}
    assert all(np.isfinite(row["scores"]["fid"]) for row in results["results"])
    assert len((tmp_path / "results.md").read_text().splitlines()) > 20
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"experiment-1-histogram.png", "experiment-2-histogram.png", "experiment-4-histogram.png"} < figures
    assert {"cnn-sbn-wgan-gp-samples.png", "mlp-real-wgan-gp-bs-samples.png"} < figures
    # The second command did not train again.
    lines = (tmp_path / "runs" / "mlp-dbn-wgan-gp" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4]
    # --part I runs and tabulates one experiment.
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main([*arguments, "--part", "I"])
    output = capsys.readouterr().out
    assert "2/2 mlp-" in output
    assert "real" not in output
    part = json.loads((tmp_path / "results-I.json").read_text())
    assert [row["name"] for row in part["results"]] == ["mlp-dbn-wgan-gp", "mlp-sbn-wgan-gp"]
    assert "--part I " in part["command"]
    assert json.loads((tmp_path / "results.json").read_text()) == results  # the table of all experiments is unchanged
    # Another seed is rejected.
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--part", "I", "--seed", "1"])
    assert ended.value.code == 2
    assert "another seed" in capsys.readouterr().err
