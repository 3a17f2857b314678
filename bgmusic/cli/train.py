"""``bgmusic train``: train a generator."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from bgmusic.cli import options
from bgmusic.cli.options import Device, check_training, run_training
from bgmusic.cli.train_composer import composer
from bgmusic.cli.train_pianoroll import pianoroll
from bgmusic.cli.train_plans import plans

app = typer.Typer(help="Train a generator.")
app.command()(composer)
app.command()(pianoroll)
app.command()(plans)


class Network(str, Enum):
    """Networks."""

    mlp = "mlp"
    cnn = "cnn"


class ObjectiveName(str, Enum):
    """Objectives, each with its usual settings."""

    gan = "gan"
    wgan = "wgan"
    wgan_gp = "wgan-gp"
    hinge = "hinge"
    relativistic = "relativistic"


@app.command()
def mnist(
    config: options.ConfigOption = "default",
    set_: options.SetOption = None,
    network: Annotated[Network | None, typer.Option(help="Networks: fully connected or convolutional.")] = None,
    neuron: options.NeuronOption = None,
    objective: Annotated[ObjectiveName | None, typer.Option(help="Objective, with its usual settings.")] = None,
    steps: options.StepsOption = None,
    minutes: options.MinutesOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = Device.auto,
    threads: options.ThreadsOption = None,
    out: options.OutOption = None,
    resume: options.ResumeOption = False,
) -> None:
    """Train a GAN on binarized MNIST, by the preset default unless options change it."""
    changes = (config != "default", set_, network, neuron, objective, seed)
    check_training(steps, minutes, resume, out, changes)

    from bgmusic.digits.digits_config import DigitsConfig
    from bgmusic.digits.train import resume_digits, train_digits
    from bgmusic.yaml import load_preset

    run, command = options.begin("mnist", out, threads)

    def training() -> bool:
        if resume:
            return resume_digits(run, device.value, steps=steps, minutes=minutes)
        layers = [load_preset("mnist/objectives", objective.value)] if objective else []
        layers += [{"network": {"kind": network.value}}] if network else []
        resolved = options.resolve(DigitsConfig, "mnist", config, layers, neuron, steps, set_)
        return train_digits(run, resolved, seed, device.value, minutes, command)

    run_training(
        "mnist", run, training, "bgmusic generate {run} --out samples; bgmusic evaluate {run}", device.value, threads
    )
