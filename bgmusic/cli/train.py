"""``bgmusic train``: learn to generate."""

from __future__ import annotations

import math
import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.digits.config import DigitsConfig

app = typer.Typer(help="Train a generator.")


class Network(str, Enum):
    """Which networks."""

    mlp = "mlp"
    cnn = "cnn"


class Neuron(str, Enum):
    """Which output neuron."""

    dbn = "dbn"
    sbn = "sbn"
    real = "real"


class ObjectiveName(str, Enum):
    """Which objective, with the settings that belong to it."""

    gan = "gan"
    wgan = "wgan"
    wgan_gp = "wgan-gp"
    hinge = "hinge"
    relativistic = "relativistic"


class Device(str, Enum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@app.command()
def mnist(
    config: Annotated[str, typer.Option(metavar="NAME|FILE", help="Preset or YAML file.")] = "default",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set one value, as training.batch=128."),
    ] = None,
    network: Annotated[Network | None, typer.Option(help="Fully connected or convolutional.")] = None,
    neuron: Annotated[Neuron | None, typer.Option(help="Output neuron.")] = None,
    objective: Annotated[ObjectiveName | None, typer.Option(help="Objective, with its settings.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="G updates in all.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.001, help="Wall time instead of steps.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of weights and draws.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="Run folder; runs/mnist-001 or next.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run --out, with its own config.")] = False,
) -> None:
    """Train on binarized MNIST; without options, our own recipe."""
    if steps is not None and minutes is not None:
        raise UserError("--steps and --minutes are two budgets; give one")
    if minutes is not None and not math.isfinite(minutes):
        raise UserError(f"--minutes {minutes} is no budget")
    if resume:
        changes = (config != "default", set_, network, neuron, objective, steps, minutes, seed)
        if any(changes):
            raise UserError("--resume goes on with the run's own config and seed; give only --out, --device, --threads")
        if out is None:
            raise UserError("--resume needs --out RUN")

    import torch

    from bgmusic.digits.training import resume_digits, train_digits
    from bgmusic.gan.runs import next_run

    if threads:
        torch.set_num_threads(threads)
    out = out or next_run(Path("runs"), "mnist")
    name = shlex.quote(str(out))
    try:
        if resume:
            finished = resume_digits(out, device.value)
        else:
            resolved = _resolve(config, set_ or [], network, neuron, objective, steps)
            command = shlex.join(["bgmusic", *sys.argv[1:]])
            finished = train_digits(out, resolved, seed, device.value, minutes, command)
    except KeyboardInterrupt:  # a second one, or one before the training began
        if out.exists():
            typer.echo(f"Stopped at once. Go on from the last checkpoint: bgmusic train mnist --resume --out {name}")
        raise typer.Exit(130) from None
    if finished:
        typer.echo(f"Finished: {out}. Next: bgmusic generate {name} --out samples; bgmusic evaluate {name}")
    else:
        typer.echo(f"Interrupted and saved. Go on with: bgmusic train mnist --resume --out {name}")
        raise typer.Exit(130)


def _resolve(
    config: str,
    assignments: list[str],
    network: Network | None,
    neuron: Neuron | None,
    objective: ObjectiveName | None,
    steps: int | None,
) -> DigitsConfig:
    from bgmusic.digits.config import DigitsConfig
    from bgmusic.gan.config import load_preset, merge, set_value, validate

    values: dict[str, Any] = load_preset("mnist", config)
    if objective:
        values = merge(values, load_preset("mnist/objectives", objective.value))
    if network:
        values = merge(values, {"network": {"kind": network.value}})
    if neuron:
        values = merge(values, {"neuron": neuron.value})
    if steps is not None:
        values = merge(values, {"training": {"steps": steps}})
    for assignment in assignments:
        set_value(values, assignment)
    return validate(DigitsConfig, values, f"config {config}")
