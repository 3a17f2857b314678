"""``bgmusic train pianoroll``: train a composer on a corpus."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bgmusic.cli import options
from bgmusic.cli.options import Device, check_training, run_training
from bgmusic.errors import UserError


class Strategy(str, Enum):
    """Training strategies; two-stage and joint start from the run of a first stage."""

    pretrain = "pretrain"
    end_to_end = "end-to-end"
    two_stage = "two-stage"
    joint = "joint"


def pianoroll(
    data: options.DataOption = None,
    config: options.ConfigOption = "default",
    strategy: Annotated[
        Strategy | None, typer.Option(help="For BinaryMuseGAN: training strategy, with its settings.")
    ] = None,
    neuron: options.NeuronOption = None,
    start: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Run to start from, for critic, contrast, student, two-stage, joint."),
    ] = None,
    set_: options.SetOption = None,
    steps: options.StepsOption = None,
    minutes: options.MinutesOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = Device.auto,
    threads: options.ThreadsOption = None,
    out: options.OutOption = None,
    resume: options.ResumeOption = False,
) -> None:
    """Train on a corpus of piano-rolls (--data bach by default)."""
    check_training(steps, minutes, resume, out, (config != "default", strategy, neuron, start, set_, seed))

    from bgmusic.music.networks.pianoroll_config import PianorollConfig
    from bgmusic.music.training.pianoroll import resume_pianoroll, train_pianoroll
    from bgmusic.training.memory import keep_freed_memory
    from bgmusic.yaml import load_preset

    keep_freed_memory()
    run, command = options.begin("pianoroll", out, threads)

    def training() -> bool:
        if resume:
            return resume_pianoroll(run, device.value, data, steps=steps, minutes=minutes)
        network = load_preset("pianoroll", config).get("network")
        if strategy and not (isinstance(network, dict) and network.get("kind") == "musegan"):
            raise UserError(
                f"--strategy is for BinaryMuseGAN's networks (--config satb, lpd-5, lpd-8), not for config {config}"
            )
        layers = [load_preset("pianoroll/strategies", strategy.value)] if strategy else []
        resolved = options.resolve(PianorollConfig, "pianoroll", config, layers, neuron, steps, set_)
        return train_pianoroll(run, resolved, data or "bach", seed, device.value, minutes, start, command)

    run_training("pianoroll", run, training, "bgmusic generate {run} --out music", device.value, threads)
