"""One training from start to end: a training, its callbacks, its run folder; interrupted and resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bgmusic.errors import UserError
from bgmusic.training.callbacks import Checkpoints, Interruption, MetricsLog, ProgressBar, Samples, TensorBoard
from bgmusic.training.loop import Callback, Training
from bgmusic.training.runs import Run
from bgmusic.yaml import Config


def choose_device(name: str) -> str:
    """``auto`` is CUDA where there is some, else the CPU.

    Raises:
        UserError: CUDA is asked for and there is none, or the name is unknown.

    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise UserError(f"device is auto, cpu or cuda, not {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("no CUDA device here; use --device cpu")
    return name


def resume(run: Run, training: Training) -> bool:
    """Bring a game to a run's last checkpoint; False if it has none yet, so that it starts anew.

    From then on the run is this process's, until :func:`train` ends.

    Raises:
        UserError: another process trains in the run, or the checkpoint is corrupt or of another config.

    """
    run.hold()
    run.sweep()
    state = run.load_state()
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
    """Play a game into its run folder; True when it is finished, False when it was interrupted.

    Args:
        run: where it goes.
        game: new, or brought to a checkpoint by :func:`resume`.
        config: saved with the generator.
        draw: pictures the sampling generator, ``(training, path of a PNG)``.
        extra: more callbacks.
        quiet: no progress bar.

    Raises:
        Diverged: the losses are no longer numbers; the last checkpoint stays.
        UserError: another process trains in the run.

    """
    run.hold()
    bar = ProgressBar()
    callbacks: list[Callback] = [
        MetricsLog(run),
        TensorBoard(run),
        Samples(run, draw),
        # Last: a checkpoint vouches for all that was written before it.
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
