"""What the training commands share: choices, and the checks of their options."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path

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


def run_training(command: str, out: Path, training: Callable[[], bool], advice: str) -> None:
    """Train, and say how it ended: finished with some advice, or interrupted and how to go on.

    ``training`` returns whether it finished; ``advice`` may name the run as ``{run}``.
    """
    run = shlex.quote(str(out))
    go_on = f"bgmusic train {command} --resume --out {run}"
    try:
        finished = training()
    except KeyboardInterrupt:  # a second one, or one before the training began
        if out.exists():
            typer.echo(f"Stopped at once. Go on from the last checkpoint: {go_on}")
        raise typer.Exit(130) from None
    if not finished:
        typer.echo(f"Interrupted and saved. Go on with: {go_on}")
        raise typer.Exit(130)
    typer.echo(f"Finished: {out}. Next: {advice.format(run=run)}")
