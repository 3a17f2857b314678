"""What the training commands share: choices, and the checks of their options."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import NoReturn

import typer

from bgmusic.errors import UserError


class Neuron(str, Enum):
    """Which output neuron."""

    dbn = "dbn"
    sbn = "sbn"
    real = "real"


class Device(str, Enum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def check_training(
    steps: int | None, minutes: float | None, resume: bool, out: Path | None, changes: Iterable[object]
) -> None:
    """Refuse budgets and options that contradict each other; ``changes`` are options that a resumed run can't take.

    Raises:
        UserError: they do.

    """
    if steps is not None and minutes is not None:
        raise UserError("--steps and --minutes are two budgets; give one")
    if minutes is not None and not math.isfinite(minutes):
        raise UserError(f"--minutes {minutes} is no budget")
    if resume and any((steps, minutes, *changes)):
        raise UserError("--resume goes on with the run's own config and seed; give only --out, --device, --threads")
    if resume and out is None:
        raise UserError("--resume needs --out RUN")


def interrupted(command: str, out: Path) -> NoReturn:
    """Say how to go on, and exit as an interrupted program does."""
    typer.echo(f"Interrupted and saved. Go on with: bgmusic train {command} --resume --out {out}")
    raise typer.Exit(130)
