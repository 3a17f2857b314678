"""A run: the folder that one training made, with its config, metrics, samples and checkpoints.

``config.yaml`` resolved; ``environment.json`` versions and machine; ``metrics.jsonl`` the same bits for the
same seed; ``timings.jsonl``; ``samples/``; ``tensorboard/``; ``generator.safetensors`` the sampling generator with
its config; ``state.pt`` all that is needed to go on. Everything in it is untrusted when it is read.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

import bgmusic
from bgmusic.errors import UserError
from bgmusic.files import usual_permissions, write_text
from bgmusic.training.checkpoints import read_state, write_state
from bgmusic.training.locks import Lock, new_folder, sweep_unborn
from bgmusic.training.weights import save_generator
from bgmusic.yaml import Config, dump_yaml, merge, read_yaml, validate

AnyConfig = TypeVar("AnyConfig", bound=Config)

_LARGEST_ENVIRONMENT = 100_000  # bytes; usually a few hundred


def environment(seed: int, device: str, command: str) -> dict[str, Any]:
    """What made a run: versions, machine, threads, seed and command, ready for JSON."""
    return {
        "bgmusic": bgmusic.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else device,
        "seed": seed,
        "command": command,
    }


class Run:
    """An existing run folder. Make one with :meth:`create`, find one with :meth:`open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: Lock | None = None

    @classmethod
    def create(cls, path: Path, kind: str, config: Config, environment: dict[str, Any]) -> Run:
        """Make a new run folder; it appears whole, with its config and environment in it.

        Raises:
            UserError: there is something at that path already.
            OSError: it can't be written.

        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UserError(f"{path} exists already; go on with --resume, or choose another --out")
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_unborn(path)
        new = new_folder(path)
        try:
            write_text(new / "config.yaml", f"# bgmusic {kind}\n" + dump_yaml(config))
            write_text(new / "environment.json", json.dumps({"kind": kind, **environment}, indent=2) + "\n")
            (new / "samples").mkdir()
            usual_permissions(new, 0o777)
            new.rename(path)  # onto nothing, or onto an empty folder
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return cls(path)

    @classmethod
    def open(cls, path: Path, kind: str) -> Run:
        """Find a run of a kind (``digits``, ``music``).

        Raises:
            UserError: it is no run folder, or one of another kind.

        """
        if not path.exists():
            raise UserError(f"there is no run {path}")
        if not (path / "config.yaml").is_file():
            raise UserError(f"{path} is not a run: it has no config.yaml")
        run = cls(path)
        if run.environment().get("kind") != kind:
            raise UserError(f"{path} is not a run of {kind}")
        return run

    def note(self, **values: Any) -> None:
        """Keep other values in the environment from now on.

        Raises:
            UserError: the environment is corrupt.
            OSError: it can't be written.

        """
        write_text(self.path / "environment.json", json.dumps({**self.environment(), **values}, indent=2) + "\n")

    def hold(self) -> None:
        """Keep other processes from training in the folder, until :meth:`release`; a second call changes nothing.

        Raises:
            UserError: another process trains in it.

        """
        self._lock = self._lock or Lock(self.path)

    def release(self) -> None:
        """Let other processes train in the folder."""
        if self._lock:
            self._lock.release()
            self._lock = None

    def environment(self) -> dict[str, Any]:
        """What made the run.

        Raises:
            UserError: the file is missing or corrupt.

        """
        path = self.path / "environment.json"
        values = None
        if path.is_file() and path.stat().st_size <= _LARGEST_ENVIRONMENT:
            try:
                values = json.loads(path.read_text(encoding="utf-8"))
            except (ValueError, RecursionError):
                values = None
        if not isinstance(values, dict):
            raise UserError(f"{path}: missing or corrupt")
        return values

    def seed(self) -> int:
        """The seed that the run began with.

        Raises:
            UserError: the environment is corrupt.

        """
        seed = self.environment().get("seed")
        if type(seed) is not int or not 0 <= seed < 2**63:
            raise UserError(f"{self.path / 'environment.json'}: seed is {str(seed)[:100]}, not a whole number")
        return seed

    def seconds(self) -> float | None:
        """The run's budget of wall time, if it has one instead of steps.

        Raises:
            UserError: the environment is corrupt.

        """
        minutes = self.environment().get("minutes")
        if minutes is None:
            return None
        if type(minutes) not in (int, float) or not (0 < minutes < math.inf):
            raise UserError(f"{self.path / 'environment.json'}: minutes is {str(minutes)[:100]}, not a positive number")
        return float(minutes) * 60

    def config(self, model: type[AnyConfig]) -> AnyConfig:
        """The resolved config.

        Raises:
            UserError: it is corrupt.

        """
        path = self.path / "config.yaml"
        return validate(model, read_yaml(path), str(path))

    def with_budget(self, config: AnyConfig, steps: int | None, minutes: float | None) -> AnyConfig:
        """The run's config with another end, further on than where the run is; the run keeps it.

        What follows a training's progress (rates, a slope's or a penalty's way) goes by the new end from here on. From
        now on the run is this process's, as after :meth:`hold`.

        Args:
            config: as :meth:`config` has it.
            steps: G updates in all, or None.
            minutes: wall time in all, instead of steps; both None: everything stays as it is.

        Raises:
            UserError: the run has come as far already, another process trains in it, or its state is corrupt.
            OSError: it can't be written.

        """
        if steps is None and minutes is None:
            return config
        self.hold()
        state = self.load_state() or {}
        done, seconds = state.get("steps_done", 0), state.get("wall_seconds", 0.0)
        if type(done) is not int or type(seconds) not in (int, float):
            raise UserError(f"{self.path / 'state.pt'}: does not fit the run's config")
        spent = seconds / 60
        if steps is not None and steps <= done:
            raise UserError(f"{self.path} has made {done} updates already: --steps is their number in all")
        if minutes is not None and minutes <= spent:
            raise UserError(f"{self.path} took {spent:.1f} minutes already: --minutes is their number in all")
        if steps is not None:
            longer = merge(config.model_dump(mode="json"), {"training": {"steps": steps}})
            config = validate(type(config), longer, f"{self.path} with --steps {steps}")
            kind = self.environment()["kind"]
            write_text(self.path / "config.yaml", f"# bgmusic {kind}\n" + dump_yaml(config))
        self.note(minutes=minutes)
        return config

    def save_generator(self, generator: nn.Module, config: Config) -> None:
        """Write the sampling generator, whole or not at all."""
        save_generator(self.path / "generator.safetensors", generator, config, str(self.environment()["kind"]))

    def save_state(self, state: dict[str, Any]) -> None:
        """Write the resume state, whole or not at all."""
        write_state(self.path / "state.pt", state)

    def load_state(self) -> dict[str, Any] | None:
        """The resume state; None if none was saved yet. Nothing in the file can run code.

        Raises:
            UserError: it is corrupt, or holds more than tensors and numbers.

        """
        path = self.path / "state.pt"
        return read_state(path) if path.exists() else None

    def truncate(self, name: str, step: int) -> None:
        """Cut a ``.jsonl`` file back to the lines up to ``step``: what came after the checkpoint is redone."""
        path = self.path / name
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                if int(json.loads(line)["step"]) > step:
                    break
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                break  # a line that a crash cut off
            kept.append(line + "\n")
        write_text(path, "".join(kept))

    def sweep(self) -> None:
        """Remove what a killed process was just writing: temporary files that never took their file's place."""
        for left in (*self.path.glob(".*.tmp"), *self.path.glob("samples/.*.tmp")):
            if not left.is_dir():  # as of a run that was being made within this one
                left.unlink(missing_ok=True)


def next_run(folder: Path, prefix: str) -> Path:
    """The first free ``prefix-001``, ``prefix-002``, ... in a folder."""
    number = 1
    while (folder / f"{prefix}-{number:03d}").exists():
        number += 1
    return folder / f"{prefix}-{number:03d}"
