"""Run folders: what one training writes, and resumes from.

- ``config.yaml``: the resolved config
- ``environment.json``: versions, machine, seed and command
- ``metrics.jsonl``: losses, identical for the same seed; ``timings.jsonl``
- ``samples/``, ``tensorboard/``
- ``generator.safetensors``: the sampling generator with its config
- ``state.pt``: the state to resume from; ``state-before.pt``: the one before it

Every file is untrusted when it is read.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from bgmusic.errors import UserError
from bgmusic.files import usual_permissions, write_text
from bgmusic.training import distributed
from bgmusic.training.checkpoints import read_state, write_state
from bgmusic.training.locks import Lock, new_folder, remove_abandoned
from bgmusic.training.weights import save_generator
from bgmusic.version import __version__
from bgmusic.yaml import Config, dump_yaml, merge, read_yaml, validate

AnyConfig = TypeVar("AnyConfig", bound=Config)

_BEFORE = "state-before.pt"
_LARGEST_ENVIRONMENT = 100_000  # bytes; usually a few hundred


def environment(seed: int, device: str, command: str) -> dict[str, Any]:
    """Describe what makes a run: versions, machine, threads, seed and command, ready for JSON."""
    return {
        "bgmusic": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": distributed.size(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else device,
        "seed": seed,
        "command": command,
    }


class Run:
    """A run folder. Make a new one with :meth:`create`; :meth:`open` finds an existing one.

    Of several processes of a training (:mod:`bgmusic.training.distributed`) the first alone writes and locks it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: Lock | None = None

    @classmethod
    def create(cls, path: Path, kind: str, config: Config, environment: dict[str, Any]) -> Run:
        """Make a new run folder with its config and environment. It appears complete or not at all.

        Raises:
            UserError: the path exists and is not an empty folder.
            OSError: it can't be written.

        """
        if not distributed.leads():
            return cls(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            run = (path / "config.yaml").is_file()
            remedy = "resume it with --resume, or choose" if run else "it is no run; choose"
            raise UserError(f"{path} exists already; {remedy} another --out")
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        new = new_folder(path)
        try:
            write_text(new / "config.yaml", f"# bgmusic {kind}\n" + dump_yaml(config))
            write_text(new / "environment.json", json.dumps({"kind": kind, **environment}, indent=2) + "\n")
            (new / "samples").mkdir()
            usual_permissions(new, 0o777)
            new.rename(path)  # onto a free path or an empty folder
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return cls(path)

    @classmethod
    def open(cls, path: Path, kind: str) -> Run:
        """Open an existing run of a kind (``digits`` or ``music``).

        Raises:
            UserError: it is no run folder, or a run of another kind.

        """
        if not path.exists():
            raise UserError(f"there is no run {path}")
        if not (path / "config.yaml").is_file():
            raise UserError(f"{path} is not a run: it has no config.yaml")
        run = cls(path)
        found = run.environment().get("kind")
        if found != kind:
            raise UserError(f"{path} is a run of {str(found)[:20]!r}, not of {kind!r}")
        return run

    def note(self, **values: Any) -> None:
        """Add values to ``environment.json``, or replace them.

        Raises:
            UserError: the environment is corrupt.
            OSError: it can't be written.

        """
        if not distributed.leads():
            return
        write_text(self.path / "environment.json", json.dumps({**self.environment(), **values}, indent=2) + "\n")

    def hold(self) -> None:
        """Lock the folder against training by other processes, until :meth:`release`. Calling it twice is harmless.

        Raises:
            UserError: another process trains in it.

        """
        if distributed.leads():
            self._lock = self._lock or Lock(self.path)

    def release(self) -> None:
        """Unlock the folder."""
        if self._lock:
            self._lock.release()
            self._lock = None

    def environment(self) -> dict[str, Any]:
        """Read ``environment.json``.

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
            raise UserError(f"{path}: missing or corrupt; copy it from a backup, or train anew")
        return values

    def seed(self) -> int:
        """Return the seed that the run started with.

        Raises:
            UserError: the environment is corrupt.

        """
        seed = self.environment().get("seed")
        if type(seed) is not int or not 0 <= seed < 2**63:
            raise UserError(f"{self.path / 'environment.json'}: seed is {str(seed)[:100]}, not a whole number")
        return seed

    def seconds(self) -> float | None:
        """Return the budget in seconds of wall time, or None if the budget is a number of steps.

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
        """Read the resolved config.

        Raises:
            UserError: it is corrupt.

        """
        path = self.path / "config.yaml"
        return validate(model, read_yaml(path), str(path))

    def with_budget(self, config: AnyConfig, steps: int | None, minutes: float | None) -> AnyConfig:
        """Change the run's budget and return its new config; both are saved. Locks the run as :meth:`hold` does.

        Schedules that follow the training's progress (learning rate, slope, penalty) use the new budget from here on.

        Args:
            config: the run's config.
            steps: total number of G updates, or None.
            minutes: total wall time instead of steps. With neither, nothing changes.

        Raises:
            UserError: the run is past that budget already, another process trains in it, or its state is corrupt.
            OSError: it can't be written.

        """
        if steps is None and minutes is None:
            return config
        with distributed.leader_first():  # the others read what it wrote
            return self._with_budget(config, steps, minutes)

    def _with_budget(self, config: AnyConfig, steps: int | None, minutes: float | None) -> AnyConfig:
        self.hold()
        state = self.state_to_resume() or {}
        done, seconds = state.get("steps_done", 0), state.get("wall_seconds", 0.0)
        if type(done) is not int or type(seconds) not in (int, float):
            raise UserError(f"{self.path / 'state.pt'}: does not fit the run's config")
        spent = seconds / 60
        if steps is not None and steps <= done:
            raise UserError(f"{self.path} has made {done} updates already: give a larger total by --steps")
        if minutes is not None and minutes <= spent:
            raise UserError(f"{self.path} took {spent:.1f} minutes already: give a larger total by --minutes")
        if steps is not None:
            longer = merge(config.model_dump(mode="json"), {"training": {"steps": steps}})
            config = validate(type(config), longer, f"{self.path} with --steps {steps}")
            if distributed.leads():
                kind = self.environment()["kind"]
                write_text(self.path / "config.yaml", f"# bgmusic {kind}\n" + dump_yaml(config))
        self.note(minutes=minutes)
        return config

    def save_generator(self, generator: nn.Module, config: Config) -> None:
        """Write the sampling generator atomically."""
        save_generator(self.path / "generator.safetensors", generator, config, str(self.environment()["kind"]))

    def save_state(self, state: dict[str, Any]) -> None:
        """Write the state to resume from, atomically. The last one stays as ``state-before.pt``."""
        path, before = self.path / "state.pt", self.path / _BEFORE
        if path.exists():
            before.unlink(missing_ok=True)
            with suppress(OSError):  # a file system without hard links keeps one state
                os.link(path, before, follow_symlinks=False)
        write_state(path, state)

    def load_state(self) -> dict[str, Any] | None:
        """Read the state to resume from; None if none was saved yet. Nothing in the file can run code.

        Raises:
            UserError: it is corrupt, or holds more than tensors and numbers.

        """
        path = self.path / "state.pt"
        try:
            return read_state(path) if path.exists() else None
        except UserError as error:
            if not (self.path / _BEFORE).exists():
                raise
            raise UserError(f"{error}; to resume from the checkpoint before it, rename {_BEFORE} to state.pt") from None

    def state_to_resume(self) -> dict[str, Any] | None:
        """Read the state as :meth:`load_state` does.

        Raises:
            UserError: as there, or it is missing beside a trained generator, which a new training would overwrite.

        """
        state = self.load_state()
        if state is None and (self.path / "generator.safetensors").exists():
            what = f"rename {_BEFORE} to it" if (self.path / _BEFORE).exists() else "train in another folder"
            raise UserError(f"{self.path / 'state.pt'}: missing, and its generator would be lost; {what}")
        return state

    def truncate(self, name: str, step: int) -> None:
        """Remove the lines after ``step`` from a ``.jsonl`` file: a resumed training writes them again."""
        path = self.path / name
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                if int(json.loads(line)["step"]) > step:
                    break
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                break  # an incomplete line, after a crash
            kept.append(line + "\n")
        write_text(path, "".join(kept))

    def sweep(self) -> None:
        """Remove temporary files that a killed process left behind."""
        if not distributed.leads():
            return
        for left in (*self.path.glob(".*.tmp"), *self.path.glob("samples/.*.tmp")):
            if not left.is_dir():  # a folder belongs to a run that is being created inside this one
                left.unlink(missing_ok=True)


def next_run(folder: Path, prefix: str) -> Path:
    """Return the first free path ``prefix-001``, ``prefix-002``, ... in a folder."""
    number = 1
    while (folder / f"{prefix}-{number:03d}").exists():
        number += 1
    return folder / f"{prefix}-{number:03d}"
