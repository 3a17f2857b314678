"""What the training commands share: options, the checks of them, and the config that they make."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.training.runs import AnyConfig


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


ConfigOption = Annotated[str, typer.Option(metavar="NAME|FILE", help="Preset or YAML file.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one value, as training.batch=128.")
]
NeuronOption = Annotated[Neuron | None, typer.Option(help="Output neuron.")]
StepsOption = Annotated[int | None, typer.Option(min=1, help="G updates in all.")]
MinutesOption = Annotated[float | None, typer.Option(min=0.001, help="Wall time instead of steps.")]
SeedOption = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of weights and draws.")]
DeviceOption = Annotated[Device, typer.Option(help="Where to compute.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads.")]
OutOption = Annotated[Path | None, typer.Option(metavar="RUN", help="Run folder; the next in runs/ by default.")]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with the run --out, with its own config, to its own end or another.")
]


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
    if resume and any(changes):
        raise UserError(
            "--resume goes on with the run's own config and seed; give only --out, --device, --threads, and --steps or "
            "--minutes for another end"
        )
    if resume and out is None:
        raise UserError("--resume needs --out RUN")


def resolve(
    model: type[AnyConfig],
    family: str,
    config: str,
    layers: Iterable[Mapping[str, Any]],
    neuron: Neuron | None,
    steps: int | None,
    assignments: Iterable[str] | None,
) -> AnyConfig:
    """A preset of a family (or the user's own file) with options on top: layers, neuron and steps, then each --set.

    Raises:
        UserError: there is no such preset, or a key or value is bad.

    """
    from bgmusic.yaml import load_preset, merge, set_value, validate

    values = load_preset(family, config)
    for layer in layers:
        values = merge(values, layer)
    if neuron:
        values = merge(values, {"neuron": neuron.value})
    if steps is not None:
        values = merge(values, {"training": {"steps": steps}})
    for assignment in assignments or ():
        set_value(values, assignment)
    return validate(model, values, f"config {config}")


def begin(command: str, out: Path | None, threads: int | None) -> tuple[Path, str]:
    """Set the number of threads; where the run goes, and the command line that made it."""
    import torch

    from bgmusic.training.runs import next_run

    if threads:
        torch.set_num_threads(threads)
    return out or next_run(Path("runs"), command), shlex.join(["bgmusic", *sys.argv[1:]])


def run_training(
    command: str, out: Path, training: Callable[[], bool], advice: str, device: str, threads: int | None
) -> None:
    """Train, and say how it ended: finished with some advice, or interrupted and how to go on.

    ``training`` returns whether it finished; ``advice`` may name the run as ``{run}``. A run goes on with the same bits
    on the same device, with as many threads.
    """
    run = shlex.quote(str(out))
    go_on = f"bgmusic train {command} --resume --out {run}"
    go_on += (f" --device {device}" if device != "auto" else "") + (f" --threads {threads}" if threads else "")
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
