"""``bgmusic neurons``: measure gradient estimators."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli.options import Device, DeviceOption
from bgmusic.errors import UserError

app = typer.Typer(help="Measure gradient estimators.", no_args_is_help=True)


class Network(str, Enum):
    """Networks of the VAE."""

    linear = "linear"
    nonlinear = "nonlinear"


@app.command()
def bench(
    samples: Annotated[int, typer.Option(min=100, max=10**8, help="Number of draws per estimator.")] = 100_000,
    bits: Annotated[int, typer.Option(min=1, max=16, help="Bits of each problem.")] = 6,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the draws.")] = 0,
    cost: Annotated[bool, typer.Option(help="Also time each estimator against a plain sigmoid, 64 x 784.")] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the numbers as JSON.")
    ] = None,
) -> None:
    """Measure bias, variance and cosine of every estimator on problems with a known exact gradient, and its cost.

    Values are relative to the norm of the exact gradient; "noise" is the standard error of the bias.
    """
    import dataclasses
    import json

    import torch
    from rich.console import Console
    from rich.table import Table

    from bgmusic.files import write_text
    from bgmusic.neurons import truth

    torch.set_num_threads(1)
    console = Console()
    found: dict[str, dict[str, dict[str, float]]] = {}
    for problem in truth.problems(bits):
        table = Table("estimator", "bias", "noise", "std of a draw", "cosine", title=f"{problem.name}, {bits} bits")
        found[problem.name] = {}
        for name, estimator in truth.estimators(bits).items():
            values = truth.measure(problem, estimator, samples, seed)
            found[problem.name][name] = dataclasses.asdict(values)
            numbers = (values.bias, values.noise, values.deviation, values.cosine)
            table.add_row(name, *(f"{number:.3f}" for number in numbers))
        console.print(table)
    if cost:
        width = 784
        table = Table("estimator", "times a sigmoid", title="CPU time, forward + backward, one thread")
        found["cost"] = {}
        for name, estimator in truth.estimators(width).items():
            ratio = truth.cost(estimator, width=width)
            found["cost"][name] = {"ratio": ratio}
            table.add_row(name, f"{ratio:.1f}")
        console.print(table)
    if json_file:
        write_text(json_file, json.dumps(found, indent=2) + "\n")


@app.command()
def vae(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the runs.")],
    network: Annotated[
        Network, typer.Option(help="One dense layer in encoder and decoder, or three.")
    ] = Network.linear,
    estimators: Annotated[str, typer.Option(help="Comma-separated names, or all.")] = "all",
    steps: Annotated[int, typer.Option(min=1, max=10**9, help="Total training steps per estimator.")] = 20_000,
    minutes: Annotated[float | None, typer.Option(min=0.001, help="Budget of wall time.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of weights and draws.")] = 0,
    device: DeviceOption = Device.cpu,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="CPU threads.")] = 1,
) -> None:
    """Train the standard discrete VAE (200 Bernoulli latents, binarized MNIST) with each estimator.

    Finished runs in DIR are kept: repeat the command after an interruption, or with more steps.
    """
    import shlex
    import sys

    import torch

    from bgmusic.digits.vae import methods
    from bgmusic.digits.vae_training import compare
    from bgmusic.training.session import choose_device

    known = methods()
    names = known if estimators == "all" else [name.strip() for name in estimators.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"--estimators: {unknown[0]!r} is none of {', '.join(known)}")
    torch.set_num_threads(threads)

    def report(name: str, values: dict[str, float]) -> None:
        typer.echo(
            f"{name}  step {values['step']}  ELBO train {values['train_elbo']:.2f}  test {values['test_elbo']:.2f}"
        )

    command = shlex.join(["bgmusic", *sys.argv[1:]])
    where = choose_device(device.value)
    if compare(out, network.value, names, steps, minutes, seed, device=where, command=command, report=report):
        typer.echo(f"Finished: {out / f'results-{network.value}.json'}")
    else:
        typer.echo("Out of time; saved. Repeat the command to resume.")
