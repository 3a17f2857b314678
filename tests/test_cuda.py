"""Test trainings on a GPU, their runs on the CPU, and the neurons' draws. Skipped without a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from command_line import bgmusic
from tiny_runs import BAND, COMPOSER, MUSEGAN, SATB, network_of

from bgmusic.errors import UserError
from bgmusic.music.composing.generate import phrases
from bgmusic.music.composing.pieces import pieces
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import SBN, SCORE_FUNCTIONS, expected_loss

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

TINY = {
    "mnist": [
        *("--set", "network.g_widths=[16]", "--set", "network.d_widths=[16]", "--set", "training.batch=8"),
        *("--set", "training.checkpoint_every=2", "--set", "training.log_every=1"),
    ],
    "composer": [
        *("--set", "network.channels=8", "--set", "network.layers=1", "--set", "network.stages=4"),
        *("--set", "training.batch=4", "--set", "training.checkpoint_every=2", "--set", "training.log_every=1"),
    ],
    "musegan": [
        *("--set", "network.width=0.07", "--set", "training.batch=4", "--set", "training.d_updates=2"),
        *("--set", "training.checkpoint_every=2", "--set", "training.log_every=1"),
    ],
}
TRAININGS = {
    "digits": ("mnist", "--config", "default", *TINY["mnist"]),
    "digits, paper": ("mnist", "--config", "paper", "--neuron", "sbn", *TINY["mnist"]),
    "digits, convolutions": ("mnist", "--config", "paper", "--network", "cnn", "--set", "training.batch=8"),
    "music": ("pianoroll", *TINY["composer"]),
    "music, the game": ("pianoroll", *TINY["composer"], "--set", "training.imitation.alone=0.5"),
    "accompaniment": ("pianoroll", "--config", "accompany", *TINY["composer"]),
    "BinaryMuseGAN": ("pianoroll", "--config", "lpd-5", "--data", "freedoom", *TINY["musegan"]),
}


def lengthen(run: Path, steps: int) -> None:
    """Change the config to that of a longer training that was interrupted."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["training"]["steps"] = steps
    (run / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.parametrize(("first", "second"), [("cuda", "cuda"), ("cuda", "cpu"), ("cpu", "cuda")])
@pytest.mark.parametrize("training", TRAININGS)
def test_runs_resume_on_either_device_and_generate_on_the_cpu(
    training: str, first: str, second: str, tmp_path: Path
) -> None:
    what, *settings = TRAININGS[training]
    run = tmp_path / "run"
    assert bgmusic("train", what, *settings, "--steps", 2, "--seed", 1, "--device", first, "--out", run) == 0
    lengthen(run, 4)
    assert bgmusic("train", what, "--resume", "--device", second, "--out", run) == 0
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))
    assert steps[-1] == 4
    file = "samples.npz" if what == "mnist" else "rolls.npz"
    for number in range(2):
        assert bgmusic("generate", run, "-n", 2, "--seed", 3, "--format", "npz", "--out", tmp_path / str(number)) == 0
    with np.load(tmp_path / "0" / file) as once, np.load(tmp_path / "1" / file) as again:
        name = "samples" if what == "mnist" else "rolls"
        assert np.array_equal(once[name], again[name])


def test_auto_precision_is_bfloat16_on_a_gpu(tmp_path: Path) -> None:
    assert (
        bgmusic("train", "pianoroll", *TINY["composer"], "--steps", 1, "--device", "cuda", "--out", tmp_path / "run")
        == 0
    )
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["training"]["precision"] == "bfloat16"
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["device"] == torch.cuda.get_device_name()


def test_the_vae_trains_and_resumes(tmp_path: Path) -> None:
    arguments = ["neurons", "vae", "--out", tmp_path / "vae", "--estimators", "disarm,reinmax", "--device"]
    assert bgmusic(*arguments, "cpu", "--steps", 2) == 0
    assert bgmusic(*arguments, "cuda", "--steps", 100) == 0
    assert bgmusic(*arguments, "cpu", "--steps", 102) == 0
    results = json.loads((tmp_path / "vae" / "results-linear.json").read_text())
    assert all(values["step"] == 102 and -230 < values["test_elbo"] < -150 for values in results.values())


def test_firing_rates_equal_the_sigmoid() -> None:
    logits = torch.linspace(-4, 4, 9, device="cuda")
    generator = torch.Generator("cuda").manual_seed(0)
    draws = 200_000
    rates = SBN()(logits.expand(draws, 9), generator).mean(0)
    p = torch.sigmoid(logits)
    assert ((rates - p).abs() < 4 * (p * (1 - p) / draws).sqrt()).all()


@pytest.mark.parametrize("name", sorted(set(SCORE_FUNCTIONS) - {"exact"}))
def test_score_functions_are_unbiased(name: str) -> None:
    """The mean gradient of a cubic loss equals enumeration within 4 standard errors."""
    weights = torch.tensor([0.5, -1.0, 2.0], device="cuda")

    def loss(bits: torch.Tensor) -> torch.Tensor:
        return ((bits * weights).sum(1) - 0.45) ** 3

    start = torch.tensor([0.3, -0.8, 0.1], device="cuda")
    generator = torch.Generator("cuda").manual_seed(1)
    draws = 100_000
    logits = start.expand(draws, 3).clone().requires_grad_()
    expected_loss(loss, logits, SCORE_FUNCTIONS[name]().to("cuda"), generator).sum().backward()
    exact = start[None].clone().requires_grad_()
    expected_loss(loss, exact, SCORE_FUNCTIONS["exact"]()).sum().backward()
    assert logits.grad is not None
    assert exact.grad is not None
    error = (logits.grad.mean(0) - exact.grad[0]).abs()
    assert (error < 4 * logits.grad.std(0) / draws**0.5).all()


@pytest.mark.parametrize(("shape", "network"), [(SATB, COMPOSER), (BAND, MUSEGAN)], ids=["composer", "musegan"])
def test_a_phrase_is_the_same_alone_and_among_others(shape: RollShape, network: dict[str, Any]) -> None:
    generator = network_of(shape, network).to("cuda")
    most, longer = phrases(generator, shape, 17, 5), pieces(generator, shape, 16, 17, 5)
    assert np.array_equal(longer[:, :, : shape.bars], most)
    for count in (1, 2, 3, 16):
        assert np.array_equal(phrases(generator, shape, count, 5), most[:count])
        assert np.array_equal(pieces(generator, shape, 16, count, 5), longer[:count])
    assert np.array_equal(phrases(generator, shape, 1, 5, first=16), most[16:])
    with pytest.raises(UserError, match="CPU"):
        phrases(generator, shape, 32, 5, jobs=2)
