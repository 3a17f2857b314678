"""Options that several commands share, their checks, and the config or settings that they resolve to."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.music.corpora.settings import Settings
    from bgmusic.training.runs import AnyConfig


class Neuron(str, Enum):
    """Output neurons."""

    dbn = "dbn"
    sbn = "sbn"
    real = "real"


class Device(str, Enum):
    """Devices."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


DataOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|DIR", help="Corpus: bach, freedoom, or a folder. With --resume: its new folder, if it was moved."
    ),
]
ConfigOption = Annotated[str, typer.Option(metavar="NAME|FILE", help="Preset or YAML file.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one config value, e.g. training.batch=128.")
]
NeuronOption = Annotated[Neuron | None, typer.Option(help="Output neuron.")]
StepsOption = Annotated[int | None, typer.Option(min=1, help="Total number of generator updates.")]
MinutesOption = Annotated[
    float | None, typer.Option(min=0.001, help="Minutes of updates, instead of --steps; scoring takes extra time.")
]
SeedOption = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of weights and random draws.")]
DeviceOption = Annotated[Device, typer.Option(help="Device.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads.")]
OutOption = Annotated[Path | None, typer.Option(metavar="RUN", help="Run folder; by default a new one in runs/.")]
BPM = (4.0, 1000.0)  # midi.song.PLAYABLE_BPM, whose import would load NumPy at start-up
BpmOption = Annotated[
    float | None,
    typer.Option(
        "--bpm",
        min=BPM[0],
        max=BPM[1],
        help="For music: tempo in beats (quarter notes) per minute.",
        show_default="the corpus's median tempo",
    ),
]
BinarizeOption = Annotated[
    str, typer.Option(help="For a real-valued generator: ht (hard threshold) or bs (Bernoulli sampling).")
]
JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", min=1, max=256, help="Number of processes; the result does not depend on it.")
]
FirstOption = Annotated[
    int,
    typer.Option(
        "--first", metavar="K", min=0, max=10**9, help="Number of the first sample: with -n 1, make only sample K."
    ),
]
DraftsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=256,
        help="Drafts of each phrase, among which a causal composer's critics choose.",
        show_default="as trained: 8, or 16 where a plan or notes are given",
    ),
]
EndingOption = Annotated[
    bool,
    typer.Option("--ending", help="The last bar ends the piece: the tonic chord, held; for more bars than a phrase."),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Resume the run in --out. --steps or --minutes extend it.")
]


# How music becomes a corpus: for ``data build`` and ``data check``.
TracksOption = Annotated[str, typer.Option(help="Track set: lpd-5, lpd-8, pop909, satb, or a YAML file.")]
ResolutionOption = Annotated[int, typer.Option(min=1, max=480, help="Steps per beat.")]
BarsOption = Annotated[int, typer.Option(min=1, help="Bars per phrase.")]
MetreOption = Annotated[
    str, typer.Option(help="Time signature of all phrases, and of files without one; any: keep those of the files.")
]
JoinOption = Annotated[bool, typer.Option("--join", help="Join shorter bars into bars of --metre: 2/4, 1/4 into 4/4.")]
PedalOption = Annotated[bool, typer.Option("--pedal", help="Extend notes while the sustain pedal is down.")]
MinTracksOption = Annotated[
    int | None,
    typer.Option(help="Minimum number of tracks that play in a phrase.", show_default="half of the tracks"),
]


def corpus_settings(
    sources: Sequence[str], tracks: str, resolution: int, metre: str, min_tracks: int | None, **options: Any
) -> Settings:
    """Make the settings of a corpus from the options of ``data build`` and ``data check``.

    Args:
        sources: the sources, which are read for ``--metre any``.
        tracks: name or file of the track set.
        resolution: steps per beat.
        metre: such as ``4/4``, or ``any``.
        min_tracks: least number of tracks that play in a phrase; None for half of them.
        options: further arguments of ``Settings.create``.

    Raises:
        UserError: a value is out of range, or a source does not exist.

    """
    from bgmusic.music.corpora.metres import with_any_metre
    from bgmusic.music.corpora.settings import Settings
    from bgmusic.music.rolls.metre import COMMON_TIME, parse_metre
    from bgmusic.music.rolls.tracks import TrackSet

    any_metre = metre == "any"
    bar = COMMON_TIME if any_metre else parse_metre(metre)
    track_set = TrackSet.load(tracks)
    settings = Settings.create(track_set, resolution, metre=bar, any_metre=any_metre, min_tracks=min_tracks, **options)
    return with_any_metre(sources, settings) if any_metre else settings


def check_training(
    steps: int | None, minutes: float | None, resume: bool, out: Path | None, changes: Iterable[object]
) -> None:
    """Check options that contradict each other; ``changes`` are options that a resumed run does not take.

    Raises:
        UserError: options contradict each other.

    """
    if steps is not None and minutes is not None:
        raise UserError("--steps and --minutes are both budgets: give only one")
    if minutes is not None and not math.isfinite(minutes):
        raise UserError(f"--minutes {minutes} is not a finite number")
    if resume and any(changes):
        raise UserError(
            "--resume uses the run's own config and seed: give only --out, --device, --threads, and --steps or "
            "--minutes to extend it"
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
    """Resolve a config: a preset or file, then layers, neuron and steps, then each --set.

    Raises:
        UserError: there is no such preset, or a key or value is invalid.

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
    return validate(model, values, f"config {config} with --set" if assignments else f"config {config}")


def begin(command: str, out: Path | None, threads: int | None) -> tuple[Path, str]:
    """Set the number of threads; return the run folder and the command line."""
    import torch

    from bgmusic.training.runs import next_run

    if threads:
        torch.set_num_threads(threads)
    return out or next_run(Path("runs"), command), shlex.join(["bgmusic", *sys.argv[1:]])


def run_training(
    command: str, out: Path, training: Callable[[], bool], advice: str, device: str, threads: int | None
) -> None:
    """Train, and print how it ended and the next command.

    Args:
        command: name of the training command, to print how to resume.
        out: the run folder.
        training: returns whether it finished.
        advice: next commands after a finished training; ``{run}`` stands for the run folder.
        device: device option of the command: a resumed run is bit-identical on the same device.
        threads: its number of threads, likewise.

    """
    from bgmusic.training import distributed

    with distributed.joined(device):
        _run_training(command, out, training, advice, device, threads)


def _run_training(
    command: str, out: Path, training: Callable[[], bool], advice: str, device: str, threads: int | None
) -> None:
    from bgmusic.training import distributed

    processes = distributed.size()
    program = f"torchrun --nproc-per-node {processes} -m bgmusic --" if processes > 1 else "bgmusic"
    run = shlex.quote(str(out))
    go_on = f"{program} train {command} --resume --out {run}"
    go_on += (f" --device {device}" if device != "auto" else "") + (f" --threads {threads}" if threads else "")
    echo = typer.echo if distributed.leads() else lambda _: None
    try:
        finished = training()
    except KeyboardInterrupt:  # a second Ctrl-C, or one before the training started
        if (out / "state.pt").is_file() or any(out.glob("*/state.pt")):  # of a run, or of a stage
            echo(f"Stopped. Resume from the last checkpoint: {go_on}")
        elif (out / "config.yaml").is_file():
            echo(f"Stopped before the first checkpoint. Start again: {go_on}")
        raise typer.Exit(130) from None
    if not finished:
        echo(f"Interrupted and saved. Resume with: {go_on}")
        raise typer.Exit(130)
    echo(f"Finished: {out}. Next: {advice.format(run=run)}")
