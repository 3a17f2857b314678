"""``bgmusic train plans``: train a planner on the plans of a corpus."""

from __future__ import annotations

from typing import Annotated

import typer

from bgmusic.cli import options
from bgmusic.cli.options import Device, check_training, run_training


def plans(
    data: Annotated[
        str | None, typer.Option(metavar="NAME|DIR", help="Corpus: bach, freedoom, or a folder.", show_default="bach")
    ] = None,
    config: options.ConfigOption = "default",
    set_: options.SetOption = None,
    steps: options.StepsOption = None,
    minutes: options.MinutesOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = Device.auto,
    threads: options.ThreadsOption = None,
    out: options.OutOption = None,
    resume: options.ResumeOption = False,
) -> None:
    """Train a planner on the plans of a corpus: chords, form, instruments and activity of its phrases.

    The preset default learns to fill in hidden parts; game is a BinaryGAN on plans.
    """
    check_training(steps, minutes, resume, out, (data, config != "default", set_, seed))

    from bgmusic.music.networks.planner.config import PlannerConfig
    from bgmusic.music.training.plans import resume_plans, train_plans
    from bgmusic.training.memory import keep_freed_memory

    keep_freed_memory()
    run, command = options.begin("plans", out, threads)

    def training() -> bool:
        if resume:
            return resume_plans(run, device.value, steps=steps, minutes=minutes)
        resolved = options.resolve(PlannerConfig, "planner", config, [], None, steps, set_)
        return train_plans(run, resolved, data or "bach", seed, device.value, minutes, command)

    advice = "bgmusic plan {run}; bgmusic compose MODEL --planner {run}"
    run_training("plans", run, training, advice, device.value, threads)
