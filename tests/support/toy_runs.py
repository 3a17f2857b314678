"""Runs of the toy game, for tests of run folders, checkpoints and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toys import toy_game

from bgmusic.gan.game import Game
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.loop import Training
from bgmusic.training.runs import Run, environment

KIND = "toys"
CONFIG = GameConfig(steps=12, log_every=5, checkpoint_every=4, sample_every=6, batch=8)


def make_run(path: Path, config: GameConfig = CONFIG, **values: Any) -> Run:
    """Create a run with seed 3; ``values`` change its environment."""
    return Run.create(path, KIND, config, {**environment(3, "cpu", "bgmusic toys"), **values})


def make_game(config: GameConfig = CONFIG) -> Game:
    return toy_game("sbn", **config.model_dump())


def draw(training: Training, path: Path) -> None:
    """Write a file in place of a picture of samples."""
    path.write_text(f"picture of step {training.steps_done}")
