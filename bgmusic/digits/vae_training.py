"""Train the discrete VAE with several estimators, one run folder each, and tabulate the results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from bgmusic.digits.data import load_digits
from bgmusic.digits.vae import DiscreteVae, VaeConfig
from bgmusic.errors import UserError
from bgmusic.files import append_bytes, write_text
from bgmusic.training.optimizers import restore_moments
from bgmusic.training.runs import Run, environment
from bgmusic.yaml import validate

KIND = "vae"
EVALUATED = 10_000  # digits of each part that an ELBO is computed on
Report = Callable[[str, dict[str, float]], None]
"""Callback: the name of a run, and its latest metrics."""


def _pixels(part: str) -> Tensor:
    return torch.from_numpy(load_digits(part).images().reshape(-1, 784))


class Trainer:
    """One training: model, optimizer and random generator, saved together so that it resumes bit by bit."""

    def __init__(self, run: Run, train: Tensor, test: Tensor, device: str = "cpu") -> None:
        self.run, self.train, self.test = run, train.to(device), test.to(device)
        self.config = run.config(VaeConfig)
        self.generator = torch.Generator(device).manual_seed(run.seed())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed())
            self.model = DiscreteVae(self.config, train.float().mean(0)).to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), self.config.rate)
        self.step, self.seconds = 0, 0.0
        run.hold()
        run.sweep()
        self._restore(run.load_state())

    def _restore(self, state: dict[str, Any] | None) -> None:
        if state is None:
            self.run.truncate("metrics.jsonl", 0)
            return
        try:
            self.model.load_state_dict(state["model"])
            restore_moments(self.optimizer, state["optimizer"])
            # The state of a random generator is specific to its kind of device; on another kind it starts anew.
            if state.get("device", "cpu") == self.generator.device.type:
                self.generator.set_state(state["generator"])
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
            if not min(self.step, self.seconds) >= 0:
                raise ValueError("negative counts")
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            raise UserError(
                f"{self.run.path / 'state.pt'}: no checkpoint of this training; delete it to start again"
            ) from None
        self.run.truncate("metrics.jsonl", self.step)

    def save(self) -> None:
        """Write a checkpoint."""
        self.run.save_state(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "device": self.generator.device.type,
                "step": self.step,
                "seconds": self.seconds,
            }
        )

    def advance(self, steps: int) -> None:
        """Train for ``steps`` steps."""
        start = time.thread_time()
        self.model.train()
        for _ in range(steps):
            rows = torch.randint(
                len(self.train), (self.config.batch,), generator=self.generator, device=self.train.device
            )
            loss = self.model.loss(self.train[rows].float(), self.generator).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.step += steps
        self.seconds += time.thread_time() - start

    def metrics(self) -> dict[str, float]:
        """Return the ELBO in nats on training and test digits with binary latents, and the CPU seconds of training."""
        return {
            "step": self.step,
            "train_elbo": self.model.elbo(self.train[:EVALUATED].float()),
            "test_elbo": self.model.elbo(self.test[:EVALUATED].float()),
            "cpu_seconds": round(self.seconds, 1),
        }


def _open(path: Path, config: VaeConfig, seed: int, device: str, command: str) -> Run:
    if not path.exists():
        return Run.create(path, KIND, config, environment(seed, device, command))
    run = Run.open(path, KIND)
    if run.config(VaeConfig) != config or run.seed() != seed:
        raise UserError(f"{path} has a run with other settings or another seed; choose another --out")
    return run


def compare(
    out: str | Path,
    network: Literal["linear", "nonlinear"],
    estimators: Sequence[str],
    steps: int,
    minutes: float | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    device: str = "cpu",
    command: str = "",
    report: Report = lambda name, values: None,
) -> bool:
    """Train the VAE with each estimator for ``steps`` steps and write ``results-<network>.json``.

    Each estimator has its run ``out/<network>-<estimator>``. Existing runs are resumed. The estimators take turns, so
    that a time budget stops all of them at about the same step.

    Args:
        out: folder of the runs.
        network: linear or nonlinear.
        estimators: names, see :func:`bgmusic.digits.vae.methods`.
        steps: total number of training steps of each run.
        minutes: time budget, checked after each round of turns; None: no limit.
        seed: seed of the weights and of all random draws.
        settings: other values of :class:`VaeConfig`.
        device: ``cpu`` or ``cuda``.
        command: the command line, recorded in new runs.
        report: called after each turn of each run.

    Returns:
        True if all steps are done.

    Raises:
        UserError: an estimator is unknown, or a run is corrupt or has other settings.
        OSError: the folder can't be written.

    """
    out = Path(out)
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    train, test = _pixels("train"), _pixels("test")
    base = {"network": network, **(settings or {})}
    configs = {name: validate(VaeConfig, {**base, "estimator": name}, f"estimator {name}") for name in estimators}
    out.mkdir(parents=True, exist_ok=True)
    turn = max(1, min(steps // 10, 1000))
    with ExitStack() as held:
        trainers = {}
        for name, config in configs.items():
            run = _open(out / f"{network}-{name}", config, seed, device, command)
            held.callback(run.release)
            trainers[name] = Trainer(run, train, test, device)
        results = {name: trainer.metrics() for name, trainer in trainers.items() if trainer.step}
        while any(trainer.step < steps for trainer in trainers.values()):
            if deadline is not None and time.monotonic() > deadline:
                return False
            last = min(trainer.step for trainer in trainers.values())
            for name, trainer in trainers.items():
                if trainer.step > last:
                    continue
                trainer.advance(min(turn, steps - trainer.step))
                values = results[name] = trainer.metrics()
                append_bytes(trainer.run.path / "metrics.jsonl", (json.dumps(values) + "\n").encode())
                trainer.save()  # last, because lines logged after the checkpoint are truncated on resume
                report(f"{network}-{name}", values)
            _write_results(out / f"results-{network}.json", results)
        _write_results(out / f"results-{network}.json", results)  # the file may be missing even if no step was left
    return True


def _write_results(path: Path, results: dict[str, dict[str, float]]) -> None:
    """Write the latest metrics of runs, and keep those of other runs in the file."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    write_text(path, json.dumps({**before, **results} if isinstance(before, dict) else results, indent=2) + "\n")
