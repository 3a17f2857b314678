"""``bgmusic train composer``: train a composer in stages, by one command."""

from __future__ import annotations

from typing import Annotated

import typer

from bgmusic.cli import options
from bgmusic.cli.options import Device, check_training, run_training


def composer(
    data: options.DataOption = None,
    config: options.ConfigOption = "default",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a config value of all stages, e.g. network.width=128."),
    ] = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = Device.auto,
    threads: options.ThreadsOption = None,
    out: options.OutOption = None,
    resume: options.ResumeOption = False,
) -> None:
    """Train a composer in stages: drafts, then critics, then what they learn from each other."""
    check_training(None, None, resume, out, (config != "default", set_, seed))

    from bgmusic.music.training.stages import Recipe, resume_stages, train_stages
    from bgmusic.training.memory import keep_freed_memory
    from bgmusic.yaml import load_preset, set_value, validate

    keep_freed_memory()
    run, command = options.begin("composer", out, threads)

    def training() -> bool:
        if resume:
            return resume_stages(run, device.value, data)
        values = load_preset("composer", config)
        for assignment in set_ or ():
            set_value(values, f"values.{assignment}")
        recipe = validate(Recipe, values, f"config {config}")
        return train_stages(run, recipe, data or "bach", seed, device.value, command)

    run_training("composer", run, training, "bgmusic generate {run} --out music", device.value, threads)
