"""``bgmusic train pianoroll``: learn to compose."""

from __future__ import annotations

import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bgmusic.cli.options import Device, Neuron, check_training, run_training

if TYPE_CHECKING:
    from bgmusic.music.config import PianorollConfig


class Strategy(str, Enum):
    """Which training strategy; all but the first two begin with a first stage's run."""

    pretrain = "pretrain"
    end_to_end = "end-to-end"
    two_stage = "two-stage"
    joint = "joint"


def pianoroll(
    data: Annotated[str | None, typer.Option(metavar="NAME|DIR", help="Corpus: bach, freedoom, or a folder.")] = None,
    config: Annotated[str, typer.Option(metavar="NAME|FILE", help="Preset or YAML file.")] = "default",
    strategy: Annotated[Strategy | None, typer.Option(help="Training strategy, with its settings.")] = None,
    neuron: Annotated[Neuron | None, typer.Option(help="Output neuron.")] = None,
    start: Annotated[Path | None, typer.Option(metavar="RUN", help="First stage, for two-stage and joint.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set one value, as training.batch=16."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="G updates in all.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.001, help="Wall time instead of steps.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of weights and draws.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="Run folder; runs/pianoroll-001 or next.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run --out, with its own config.")] = False,
) -> None:
    """Train on a corpus of piano-rolls (--data bach by default)."""
    check_training(steps, minutes, resume, out, (config != "default", strategy, neuron, start, set_, seed))

    import torch

    from bgmusic.gan.memory import keep_freed_memory
    from bgmusic.gan.runs import next_run
    from bgmusic.music.training import resume_pianoroll, train_pianoroll

    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)
    run = out or next_run(Path("runs"), "pianoroll")
    command = shlex.join(["bgmusic", *sys.argv[1:]])

    def training() -> bool:
        if resume:
            return resume_pianoroll(run, device.value, data)
        resolved = _resolve(config, set_ or [], strategy, neuron, steps)
        return train_pianoroll(run, resolved, data or "bach", seed, device.value, minutes, start, command)

    run_training("pianoroll", run, training, "bgmusic generate {run} --out music")


def _resolve(
    config: str, assignments: list[str], strategy: Strategy | None, neuron: Neuron | None, steps: int | None
) -> PianorollConfig:
    from bgmusic.gan.config import load_preset, merge, set_value, validate
    from bgmusic.music.config import PianorollConfig

    values: dict[str, Any] = load_preset("pianoroll", config)
    if strategy:
        values = merge(values, load_preset("pianoroll/strategies", strategy.value))
    if neuron:
        values = merge(values, {"neuron": neuron.value})
    if steps is not None:
        values = merge(values, {"training": {"steps": steps}})
    for assignment in assignments:
        set_value(values, assignment)
    return validate(PianorollConfig, values, f"config {config}")
