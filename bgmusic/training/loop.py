"""The training loop: one generator, its optimizer, schedules, averaging and metrics. It does no I/O.

Callbacks do all the I/O: :mod:`bgmusic.training.callbacks`.
"""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bgmusic.neurons import set_slope
from bgmusic.training import distributed, schedules
from bgmusic.training.loop_config import LoopConfig, OptimizerConfig
from bgmusic.training.optimizers import make_optimizer, restore_moments
from bgmusic.training.precision import settle_precision
from bgmusic.training.protocols import Diverged, SampleNetwork, Source


class Callback:
    """Receive the events of a training. Every method may be left as it is."""

    def start(self, training: Training) -> None:
        """Run before the first update, also of a resumed training."""

    def step(self, training: Training) -> None:
        """Run after each G update."""

    def metrics(self, training: Training, values: dict[str, float]) -> None:
        """Run every ``log_every`` G updates and after the last, before :meth:`step`.

        Args:
            training: the training.
            values: means of the metrics since the last call.

        """

    def end(self, training: Training, interrupted: bool) -> None:
        """Run after the last update; ``interrupted`` if the budget is not spent."""


@dataclass(frozen=True)
class Stream:
    """Random numbers of a micro-batch.

    Attributes:
        data: of data, noise and interpolation; on the CPU.
        neurons: of stochastic neurons; on the device.

    """

    data: torch.Generator
    neurons: torch.Generator


class Training(ABC):
    """A generator in training. Subclasses define :meth:`update`, one G update.

    All randomness comes from one seeded generator, so a restored state continues exactly. Where an update has several
    micro-batches, each has random numbers of its own, seeded by that generator: so it does not matter which process of
    a training works on which.

    Args:
        generator: maps noise ``(batch, latent)`` to samples.
        source: serves batches of real samples.
        config: optimizer, schedules and intervals.
        seed: seed of data, noise and neurons (the network brings its own initial weights).
        device: where the network and samples are.
        seconds: budget in seconds of wall time, instead of ``config.steps``. Only updates count, callbacks do not.

    """

    METRICS: ClassVar[tuple[str, ...]] = ("imitation",)

    def __init__(
        self,
        generator: SampleNetwork,
        source: Source,
        config: LoopConfig,
        seed: int = 0,
        device: str | torch.device = "cpu",
        seconds: float | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.config = config = distributed.divided(settle_precision(config, self.device))
        self.generator = generator.to(self.device)
        self.source = source
        self.budget_seconds = seconds
        self.average = copy.deepcopy(self.generator).requires_grad_(False) if config.average else None
        # Frozen weights stay as they are (a fixed generator under a refiner, say).
        self._g_weights = [weight for weight in self.generator.parameters() if weight.requires_grad]
        self.g_optimizer = make_optimizer(config.g_optimizer, self._g_weights)
        self.rng = torch.Generator().manual_seed(seed)
        self._draws = self.rng
        if self.device.type != "cpu":
            self._draws = torch.Generator(self.device).manual_seed(seed)
        self._streams = [Stream(self.rng, self._draws)]
        self.steps_done = 0
        self.wall_seconds = 0.0
        self.cpu_seconds = 0.0
        self._sums = torch.zeros(len(self.METRICS), dtype=torch.float64, device=self.device)
        self._own_sums = torch.zeros_like(self._sums)  # of this process, since the last sum over processes
        self._terms = torch.zeros(len(self.METRICS), dtype=torch.int64)  # number of values in each sum
        set_slope(self.generator, schedules.slope(config.slope, 0, 0.0))

    @abstractmethod
    def update(self) -> None:
        """Make one G update."""

    def train_mode(self) -> None:
        """Set the networks to training mode."""
        self.generator.train()

    def counts(self) -> dict[str, int]:
        """Return the numbers of updates made, by the names under which they are logged."""
        return {"step": self.steps_done}

    @property
    def networks(self) -> Sequence[nn.Module]:
        """The networks in training."""
        return [self.generator]

    @property
    def weights(self) -> Sequence[Tensor]:
        """All weights that are trained."""
        return self._g_weights

    @property
    def sampler(self) -> SampleNetwork:
        """The generator that samples: the averaged one if there is one."""
        return self.average or self.generator

    @property
    def progress(self) -> float:
        """The share of the budget that is spent, in [0, 1]."""
        if self.budget_seconds is not None:
            return min(self.wall_seconds / self.budget_seconds, 1.0)
        return min(self.steps_done / self.config.steps, 1.0)

    def run(self, callbacks: Sequence[Callback] = (), stop: Callable[[], bool] = lambda: False) -> None:
        """Train until the budget is spent or ``stop()`` is true.

        Raises:
            Diverged: a loss is not finite.

        """
        distributed.require_equal(self.steps_done, self.weights)
        for callback in callbacks:
            callback.start(self)
        while self.progress < 1 and not distributed.any_of(stop()):
            self.advance()
            if self.steps_done % self.config.log_every == 0 or self.progress >= 1:
                values = self._means()
                for callback in callbacks:
                    callback.metrics(self, values)
            for callback in callbacks:
                callback.step(self)
        for callback in callbacks:
            callback.end(self, interrupted=self.progress < 1)

    def advance(self) -> None:
        """Make one update, then follow with the average, the clocks and the slope."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.train_mode()
        self._draw_seeds()
        with distributed.shared_statistics(self._statistics):
            self.update()
        self.steps_done += 1
        self._follow_average()
        wall, cpu = distributed.clocks(time.perf_counter() - wall, time.process_time() - cpu)
        self.wall_seconds += wall
        self.cpu_seconds += cpu
        slope = schedules.slope(self.config.slope, self.steps_done, self.progress)
        set_slope(self.generator, slope)
        if self.average:
            set_slope(self.average, slope)

    def imitate(self, weight: float) -> None:
        """Add the gradients of G's imitation loss on fresh data, times ``weight``."""
        config = self.config
        for stream in self._streams:
            real = self.source.batch(config.batch // config.accumulate, generator=stream.data)
            with self._autocast():
                loss = self.generator.imitation(real, stream.data)
            (weight / config.accumulate * loss).backward(inputs=self._g_weights)
            self._note(imitation=loss)

    def step_generator(self) -> None:
        """Step G's optimizer by the gradients that were added."""
        self._step(self.g_optimizer, self._g_weights, self.config.g_optimizer, self.steps_done)

    @cached_property
    def _statistics(self) -> list[tuple[Tensor, bool]]:
        return distributed.statistics(*self.networks)

    def _draw_seeds(self) -> None:
        """Seed the random numbers of this process's micro-batches; a single micro-batch goes on with the training's."""
        parts = self.config.accumulate
        if parts == 1:
            return
        own = parts // distributed.size()
        seed = int(torch.randint(1 << 62, (), generator=self.rng)) + own * distributed.rank()
        self._streams = [self._stream(seed + number) for number in range(own)]

    def _stream(self, seed: int) -> Stream:
        data = torch.Generator().manual_seed(seed)
        if self.device.type == "cpu":
            return Stream(data, data)
        return Stream(data, torch.Generator(self.device).manual_seed(seed))

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def _step(
        self, optimizer: torch.optim.Optimizer, weights: Sequence[Tensor], settings: OptimizerConfig, updates: int
    ) -> None:
        """Update weights by their gradients; ``updates`` is the number of updates before."""
        for group in optimizer.param_groups:
            group["lr"] = schedules.learning_rate(settings, self.progress, updates)
        for weight in weights:
            if weight.grad is None:  # imitation alone does not reach every weight; its moments exist all the same
                weight.grad = torch.zeros_like(weight)
        if distributed.size() > 1:
            distributed.add_up_all([*(weight.grad for weight in weights if weight.grad is not None), self._own_sums])
            self._sums += self._own_sums
            self._own_sums.zero_()
        if settings.longest is not None:
            nn.utils.clip_grad_norm_(weights, settings.longest)
        optimizer.step()
        optimizer.zero_grad()

    @torch.no_grad()
    def _follow_average(self) -> None:
        if self.average is None or self.config.average is None:
            return
        share = 1 - schedules.average_decay(self.config.average, self.steps_done)
        for weight, current in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            weight.lerp_(current, share)
        for buffer, latest in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            if buffer.is_floating_point() and buffer.dim():
                buffer.lerp_(latest, share)  # running statistics
            else:
                buffer.copy_(latest)  # counters and slopes

    @torch.no_grad()
    def _note(self, **values: Tensor) -> None:
        places = [self.METRICS.index(name) for name in values]
        sums = self._own_sums if distributed.size() > 1 else self._sums  # added up with the gradients
        sums[places] += torch.stack(list(values.values())).double()
        self._terms[places] += distributed.size()

    def _means(self) -> dict[str, float]:
        sums, terms = self._sums.tolist(), self._terms.tolist()
        self._sums.zero_()
        self._terms.zero_()
        means = {name: total / n for name, total, n in zip(self.METRICS, sums, terms, strict=True) if n}
        if not all(abs(value) < float("inf") for value in means.values()):
            raise Diverged(f"training diverged before step {self.steps_done}: {means} (try a lower rate)")
        return means

    @torch.no_grad()
    def check(self) -> None:
        """Check that losses and weights are finite, before they are saved.

        Raises:
            Diverged: they are not.

        """
        if not all(bool(values.isfinite().all()) for values in (self._sums, *self.weights)):
            raise Diverged(f"training diverged before step {self.steps_done}: weights or losses are not finite")

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a training resumes from: tensors and numbers alone, so it loads with weights_only."""
        return {
            "steps_done": self.steps_done,
            "wall_seconds": self.wall_seconds,
            "cpu_seconds": self.cpu_seconds,
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "g_optimizer": self.g_optimizer.state_dict(),
            "rng": self.rng.get_state(),
            "draws": self._draws.get_state(),
            "sums": self._sums,
            "terms": self._terms,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state made by :meth:`state_dict` of a training with the same config.

        Raises:
            ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError: it is not such a state.

        """
        self.generator.load_state_dict(state["generator"])
        if self.average:
            self.average.load_state_dict(state["average"])
        restore_moments(self.g_optimizer, state["g_optimizer"])
        self.rng.set_state(state["rng"])
        # A run that moved to another device has no draws of that device: they start anew there.
        if self._draws is not self.rng and state["draws"].shape == self._draws.get_state().shape:
            self._draws.set_state(state["draws"])
        # States of version 0.1 hold the sums of a whole game in every training; imitation's is the last.
        self._sums.copy_(state["sums"][-len(self.METRICS) :])
        self._terms.copy_(state["terms"][-len(self.METRICS) :])
        self.steps_done = int(state["steps_done"])
        self.wall_seconds, self.cpu_seconds = float(state["wall_seconds"]), float(state["cpu_seconds"])
        if not min(self.steps_done, self.wall_seconds) >= 0:
            raise ValueError("counts below zero")


class Imitation(Training):
    """A generator that learns from the data alone, by its imitation loss: no discriminator, no game."""

    def update(self) -> None:
        """Make one G update."""
        self.imitate(1.0)
        self.step_generator()
