"""``bgmusic train``: learn to generate."""

from __future__ import annotations

import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bgmusic.cli.options import Device, Neuron, check_training, run_training
from bgmusic.cli.train_pianoroll import pianoroll

if TYPE_CHECKING:
    from bgmusic.digits.config import DigitsConfig

app = typer.Typer(help="Train a generator.")
app.command()(pianoroll)


class Network(str, Enum):
    """Which networks."""

    mlp = "mlp"
    cnn = "cnn"


class ObjectiveName(str, Enum):
    """Which objective, with the settings that belong to it."""

    gan = "gan"
    wgan = "wgan"
    wgan_gp = "wgan-gp"
    hinge = "hinge"
    relativistic = "relativistic"


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
    changes = (config != "default", set_, network, neuron, objective, seed)
    check_training(steps, minutes, resume, out, changes)

    import torch

    from bgmusic.digits.training import resume_digits, train_digits
    from bgmusic.gan.runs import next_run

    if threads:
        torch.set_num_threads(threads)
    run = out or next_run(Path("runs"), "mnist")
    command = shlex.join(["bgmusic", *sys.argv[1:]])

    def training() -> bool:
        if resume:
            return resume_digits(run, device.value)
        resolved = _resolve(config, set_ or [], network, neuron, objective, steps)
        return train_digits(run, resolved, seed, device.value, minutes, command)

    run_training("mnist", run, training, "bgmusic generate {run} --out samples; bgmusic evaluate {run}")


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
