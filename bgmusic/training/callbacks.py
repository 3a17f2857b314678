"""Callbacks of a training: progress bar, metrics, TensorBoard, sample pictures and checkpoints."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bgmusic.files import append_bytes
from bgmusic.training.loop import Callback, Training
from bgmusic.training.runs import Run
from bgmusic.yaml import Config


class ProgressBar(Callback):
    """Show a live progress bar on a terminal; elsewhere print a line with each metrics event."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._live = self._console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=self._console,
            disable=not self._live,
        )
        self._task: TaskID | None = None

    def start(self, training: Training) -> None:
        """Show the bar."""
        self._bar.start()
        self._task = self._bar.add_task("training", total=1.0, losses="")

    def metrics(self, training: Training, values: dict[str, float]) -> None:
        """Show the losses."""
        shown = (("D", "d_loss"), ("G", "g_loss"), ("imitation", "imitation"))
        losses = "  ".join(f"{label} {values[name]:.3f}" for label, name in shown if name in values)
        text = f"step {training.steps_done}  {losses}"
        if self._task is not None:
            self._bar.update(self._task, losses=text)
        if not self._live:
            self._console.print(f"{training.progress:4.0%}  {text}", highlight=False)

    def step(self, training: Training) -> None:
        """Move the bar."""
        if self._task is not None and self._live:
            self._bar.update(self._task, completed=training.progress)

    def end(self, training: Training, interrupted: bool) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Release the terminal, also after an error."""
        self._bar.stop()


class MetricsLog(Callback):
    """Append metrics to ``metrics.jsonl`` (identical for the same seed) and times to ``timings.jsonl``."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def start(self, training: Training) -> None:
        """Remove lines that an interrupted run logged after its last checkpoint."""
        for name in ("metrics.jsonl", "timings.jsonl"):
            self._run.truncate(name, training.steps_done)

    def metrics(self, training: Training, values: dict[str, float]) -> None:
        """Write one line to each file."""
        self._append("metrics.jsonl", {**training.counts(), **values})
        times = {"wall_seconds": round(training.wall_seconds, 3), "cpu_seconds": round(training.cpu_seconds, 3)}
        self._append("timings.jsonl", {"step": training.steps_done, **times})

    def _append(self, name: str, values: dict[str, Any]) -> None:
        append_bytes(self._run.path / name, (json.dumps(values) + "\n").encode())


class TensorBoard(Callback):
    """Write metrics for TensorBoard: ``tensorboard --logdir RUN/tensorboard``.

    Records are written synchronously. TensorBoard's own writer uses a thread, which prints a traceback when the disk is
    full and loses its buffer when the process is killed.
    """

    def __init__(self, run: Run) -> None:
        self._folder = run.path / "tensorboard"
        self._path = self._folder

    def start(self, training: Training) -> None:
        """Start an event file; events of a resumed run replace earlier ones of the same steps."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        self._folder.mkdir(exist_ok=True)
        earlier = len(list(self._folder.iterdir()))
        # TensorBoard reads files in the order of their names.
        self._path = self._folder / f"events.out.tfevents.{int(time.time()):010d}.{earlier:04d}"
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if earlier:
            restart = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=training.steps_done + 1, session_log=restart))

    def metrics(self, training: Training, values: dict[str, float]) -> None:
        """Write the metrics."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(wall_time=time.time(), step=training.steps_done, summary=Summary(value=scalars)))

    def _write(self, event: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        append_bytes(self._path, record.getvalue())


class Samples(Callback):
    """Draw pictures of samples, always from the same noise: ``samples/step-0000123.png``."""

    def __init__(self, run: Run, draw: Callable[[Training, Path], None]) -> None:
        self._run, self._draw = run, draw

    def step(self, training: Training) -> None:
        """Draw every ``sample_every`` steps."""
        if training.steps_done % training.config.sample_every == 0:
            self._write(training)

    def end(self, training: Training, interrupted: bool) -> None:
        """Draw the final samples."""
        self._write(training)

    def _write(self, training: Training) -> None:
        path = self._run.path / "samples" / f"step-{training.steps_done:07d}.png"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            self._draw(training, path)


class Checkpoints(Callback):
    """Save the state and the sampling generator by time, every ``checkpoint_every`` steps, and at the end.

    By time: 90 seconds after the last checkpoint, or later where saving would take over 2% of the time. So a killed
    training loses at most two minutes, if an update and its scoring take no more than half a minute.

    Args:
        run: the run folder.
        config: config that is saved with the generator.
        clock: returns seconds.

    """

    EVERY, SHARE = 90.0, 0.02

    def __init__(self, run: Run, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._config, self._clock = run, config, clock
        self._saved, self._cost = clock(), 0.0

    def start(self, training: Training) -> None:
        """Start the clock."""
        self._saved = self._clock()

    def step(self, training: Training) -> None:
        """Save if a checkpoint is due."""
        since = self._clock() - self._saved
        if training.steps_done % training.config.checkpoint_every == 0 or since >= max(
            self.EVERY, self._cost / self.SHARE
        ):
            self._save(training)

    def end(self, training: Training, interrupted: bool) -> None:
        """Save at the end, also of an interrupted training."""
        self._save(training)

    def _save(self, training: Training) -> None:
        begun = self._clock()
        training.check()
        self._run.save_state(training.state_dict())  # first: where there is a generator, there is a state
        self._run.save_generator(training.sampler, self._config)
        self._saved = self._clock()
        self._cost = self._saved - begun


class Interruption:
    """Turn Ctrl-C and SIGTERM into a request to stop after the current update; a second one stops at once.

    Unless ``quiet``, it prints a line at once: the current update or scoring may take minutes.
    """

    ANSWER = b"\nStopping after this update; saving first. Press Ctrl-C again to stop at once.\n"

    def __init__(self, quiet: bool = True) -> None:
        self.requested, self._quiet = False, quiet
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """Return whether a stop was requested."""
        return self.requested

    def __enter__(self) -> Interruption:
        # Python allows signal handlers in the main thread only; elsewhere signals stop a training at once.
        main = threading.current_thread() is threading.main_thread()
        for name in (signal.SIGINT, signal.SIGTERM) if main else ():
            self._before[name] = signal.signal(name, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        if not self._quiet:
            with suppress(OSError):
                os.write(2, self.ANSWER)  # print is not reentrant: the signal may arrive inside another one
