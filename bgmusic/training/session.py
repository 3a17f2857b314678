"""Run one training from start to end: choose the device, resume, train with the usual callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bgmusic.errors import UserError
from bgmusic.training import distributed
from bgmusic.training.callbacks import Checkpoints, Interruption, MetricsLog, ProgressBar, Samples, TensorBoard
from bgmusic.training.loop import Callback, Training
from bgmusic.training.runs import Run
from bgmusic.yaml import Config


def choose_device(name: str) -> str:
    """Return the device for ``auto``, ``cpu`` or ``cuda``; ``auto`` is CUDA where it is available, else the CPU.

    Raises:
        UserError: CUDA is requested but not available, or the name is unknown.

    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise UserError(f"device is auto, cpu or cuda, not {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("no CUDA device here; use --device cpu")
    return name


def resume(run: Run, training: Training) -> bool:
    """Restore a training from a run's last checkpoint; False if there is none yet.

    Locks the run until :func:`train` ends. Of several processes each restores its own training from the same files.

    Raises:
        UserError: another process trains in the run, or the checkpoint is missing, corrupt or of another config.

    """
    run.hold()
    run.sweep()
    state = run.state_to_resume()
    if state is None:
        return False
    try:
        training.load_state_dict(state)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        raise UserError(f"{run.path / 'state.pt'}: does not fit the run's config") from None
    return True


def train(
    run: Run,
    training: Training,
    config: Config,
    draw: Callable[[Training, Path], None],
    extra: Sequence[Callback] = (),
    quiet: bool = False,
) -> bool:
    """Train in a run folder; True when finished, False when interrupted.

    Args:
        run: the run folder.
        training: new, or restored by :func:`resume`.
        config: config that is saved with the generator.
        draw: function that draws a picture of samples, ``(training, path of the PNG)``.
        extra: more callbacks.
        quiet: no progress bar.

    Of several processes (:mod:`bgmusic.training.distributed`) the first alone runs callbacks, and so writes.

    Raises:
        Diverged: a loss is not finite; the last checkpoint stays.
        Lost: another process of this training ended; the last checkpoint stays.
        UserError: another training holds the run.

    """
    if not distributed.leads():
        with Interruption() as interruption:
            training.run((), interruption)
        return training.progress >= 1
    run.hold()
    bar = ProgressBar()
    callbacks: list[Callback] = [
        MetricsLog(run),
        TensorBoard(run),
        Samples(run, draw),
        # Checkpoints come last: a resumed training relies on all that was written before.
        *extra,
        Checkpoints(run, config),
        *([] if quiet else [bar]),
    ]
    try:
        with Interruption(quiet) as interruption:
            training.run(callbacks, interruption)
    finally:
        bar.close()
        run.release()
    return training.progress >= 1
