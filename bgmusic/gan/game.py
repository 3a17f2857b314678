"""The game: one generator, one discriminator, and the rules of :class:`TrainingConfig`. It does no I/O."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bgmusic.gan import penalties, schedules
from bgmusic.gan.config import OptimizerConfig, TrainingConfig
from bgmusic.gan.objectives import OBJECTIVES
from bgmusic.gan.optimizers import make_optimizer, restore_moments
from bgmusic.gan.precision import settle_precision
from bgmusic.gan.roles import Diverged, SampleNetwork, Source
from bgmusic.neurons import set_slope

METRICS = ("d_loss", "g_loss", "penalty", "real_score", "fake_score", "imitation")


@dataclass
class _Round:
    """Real samples and noise of one micro-batch, and what G made of that noise."""

    real: Tensor
    noise: Tensor
    fake: Tensor | None = None


class Callback:
    """Told what happens while a game is played; does all the I/O. Every method may be left as it is."""

    def start(self, game: Game) -> None:
        """Before the first update, also of a resumed game."""

    def step(self, game: Game) -> None:
        """After each G update."""

    def metrics(self, game: Game, values: dict[str, float]) -> None:
        """Every ``log_every`` G updates and after the last, with the means since the last time, before :meth:`step`."""

    def end(self, game: Game, interrupted: bool) -> None:
        """After the last update; ``interrupted`` tells that the budget is not spent."""


class Game:
    """A generator and a discriminator at play; :meth:`advance` is one G update with its D updates.

    All randomness comes from one seeded generator, so a state restored goes on exactly as it would have.

    Args:
        generator: from noise ``(batch, latent)`` to samples; takes ``generator=`` for its neurons' draws and
            tells ``latent``.
        discriminator: from samples to one score each.
        source: where real samples come from.
        config: the rules.
        seed: seed of data, noise, interpolation and neurons (networks bring their own initial weights).
        device: where the networks and samples are.
        seconds: if given, the budget in seconds of wall time, instead of ``config.steps``.

    """

    def __init__(
        self,
        generator: SampleNetwork,
        discriminator: nn.Module,
        source: Source,
        config: TrainingConfig,
        seed: int = 0,
        device: str | torch.device = "cpu",
        seconds: float | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.config = config = settle_precision(config, self.device)
        self.generator = generator.to(self.device)
        self.discriminator = discriminator.to(self.device)
        self.source = source
        self.budget_seconds = seconds
        self.average = copy.deepcopy(self.generator).requires_grad_(False) if config.average else None
        # Weights that don't ask for gradients stay as they are (a fixed generator under a refiner, say).
        self._g_weights = [weight for weight in self.generator.parameters() if weight.requires_grad]
        self._d_weights = [weight for weight in self.discriminator.parameters() if weight.requires_grad]
        self.g_optimizer = make_optimizer(config.g_optimizer, self._g_weights)
        self.d_optimizer = make_optimizer(config.d_optimizer, self._d_weights)
        self.objective = OBJECTIVES[config.objective]
        # Batch norm makes a score depend on its whole batch: data and samples then pass D apart.
        self._together = not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in discriminator.modules())
        self.rng = torch.Generator().manual_seed(seed)
        self._draws = self.rng
        if self.device.type != "cpu":
            self._draws = torch.Generator(self.device).manual_seed(seed)
        self.steps_done = 0
        self.d_updates_done = 0
        self.wall_seconds = 0.0
        self.cpu_seconds = 0.0
        self._sums = torch.zeros(len(METRICS), dtype=torch.float64, device=self.device)
        self._terms = torch.zeros(len(METRICS), dtype=torch.int64)  # how many values are in each sum
        set_slope(self.generator, schedules.slope(config.slope, 0, 0.0))

    @property
    def sampler(self) -> SampleNetwork:
        """The generator that samples: the averaged one if there is one."""
        return self.average or self.generator

    @property
    def progress(self) -> float:
        """How much of the budget is spent, in [0, 1]."""
        if self.budget_seconds is not None:
            return min(self.wall_seconds / self.budget_seconds, 1.0)
        return min(self.steps_done / self.config.steps, 1.0)

    def play(self, callbacks: Sequence[Callback] = (), stop: Callable[[], bool] = lambda: False) -> None:
        """Play until the budget is spent or ``stop()`` says so, telling the callbacks.

        Raises:
            Diverged: a loss is no longer a number.

        """
        for callback in callbacks:
            callback.start(self)
        while self.progress < 1 and not stop():
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
        """One G update, after its D updates."""
        wall, cpu = time.perf_counter(), time.process_time()
        config, step, progress = self.config, self.steps_done, self.progress
        self.generator.train()
        self.discriminator.train()
        if config.imitation and progress < config.imitation.alone:
            self._imitate(1.0)
            self._step_generator()
        else:
            self._play_round(step)
        self.steps_done += 1
        self._follow_average()
        self.wall_seconds += time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu
        slope = schedules.slope(config.slope, self.steps_done, self.progress)
        set_slope(self.generator, slope)
        if self.average:
            set_slope(self.average, slope)

    def _play_round(self, step: int) -> None:
        """The D updates that are due, and a G update."""
        config = self.config
        rounds: list[_Round] = []
        for update in range(schedules.discriminator_updates(config.d_updates, config.warmup, step)):
            if update == 0 or not config.reuse_batch:
                rounds = self._deal()
            self._update_discriminator(rounds)
        if not rounds or not config.reuse_batch:
            # The last D update's data serve the G update, with fresh noise; the paired loss needs them.
            rounds = [_Round(r.real, self._noise(len(r.real))) for r in rounds or self._deal()]
        if config.imitation and config.imitation.weight:
            self._imitate(config.imitation.weight)
        self._update_generator(rounds)

    def _noise(self, size: int) -> Tensor:
        return torch.randn(size, self.generator.latent, generator=self.rng).to(self.device)

    def _deal(self) -> list[_Round]:
        size = self.config.batch // self.config.accumulate
        return [
            _Round(self.source.batch(size, generator=self.rng), self._noise(size))
            for _ in range(self.config.accumulate)
        ]

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def _generate(self, noise: Tensor) -> Tensor:
        with self._autocast():
            samples: Tensor = self.generator(noise, generator=self._draws)
        return samples.float()

    def _scores(self, samples: Tensor) -> Tensor:
        with self._autocast():
            scores: Tensor = self.discriminator(samples)
        return scores.float()

    def _update_discriminator(self, rounds: list[_Round]) -> None:
        config = self.config
        due = config.penalty.kind != "none" and self.d_updates_done % config.penalty.every == 0
        weight = schedules.penalty_weight(config.penalty, self.progress) * config.penalty.every if due else 0.0
        for dealt in rounds:
            if dealt.fake is None:
                # Where all updates share one batch, so do they share one forward pass of G, the G update's.
                with torch.set_grad_enabled(config.reuse_batch):
                    dealt.fake = self._generate(dealt.noise)
            real, fake, penalty = self._judge(dealt.real, dealt.fake.detach(), due)
            loss = self.objective.discriminator(real, fake)
            ((loss + weight * penalty) / len(rounds)).backward(inputs=self._d_weights)
            noted = {"penalty": penalty} if due else {}
            self._note(d_loss=loss, real_score=real.mean(), fake_score=fake.mean(), **noted)
        self._step(self.d_optimizer, self._d_weights, config.d_optimizer, self.d_updates_done)
        if config.clip is not None:
            penalties.clip_weights(self._d_weights, config.clip)
        self.d_updates_done += 1

    def _judge(self, real: Tensor, fake: Tensor, due: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of real and fake samples and, where it is due, the penalty (else 0)."""
        kind = self.config.penalty.kind if due else "none"
        none = real.new_zeros(())
        if kind == "r1r2" and self._together:
            scores, gradients = penalties.scores_and_gradients(self.discriminator, torch.cat([real, fake]))
            of_real, of_fake = gradients.chunk(2)
            real_scores, fake_scores = scores.chunk(2)
            return real_scores, fake_scores, penalties.zero_centred(of_real) + penalties.zero_centred(of_fake)
        if kind == "r1r2":
            real_scores, of_real = penalties.scores_and_gradients(self.discriminator, real)
            fake_scores, of_fake = penalties.scores_and_gradients(self.discriminator, fake)
            return real_scores, fake_scores, penalties.zero_centred(of_real) + penalties.zero_centred(of_fake)
        if kind == "wgan-gp":
            points = penalties.interpolate(real, fake, self.rng)
            _, gradients = penalties.scores_and_gradients(self.discriminator, points)
            none = penalties.one_centred(gradients)
        if self._together:
            real_scores, fake_scores = self._scores(torch.cat([real, fake])).chunk(2)
            return real_scores, fake_scores, none
        return self._scores(real), self._scores(fake), none

    def _update_generator(self, rounds: list[_Round]) -> None:
        for dealt in rounds:
            fake = self._scores(self._generate(dealt.noise) if dealt.fake is None else dealt.fake)
            real = fake.detach()
            if self.objective.paired:
                with torch.no_grad():
                    real = self._scores(dealt.real)
            loss = self.objective.generator(real, fake)
            (loss / len(rounds)).backward(inputs=self._g_weights)
            self._note(g_loss=loss)
        self._step_generator()

    def _imitate(self, weight: float) -> None:
        """Add the gradients of G's imitation loss on fresh data."""
        config = self.config
        for _ in range(config.accumulate):
            real = self.source.batch(config.batch // config.accumulate, generator=self.rng)
            with self._autocast():
                loss = self.generator.imitation(real, self.rng)
            (weight / config.accumulate * loss).backward(inputs=self._g_weights)
            self._note(imitation=loss)

    def _step_generator(self) -> None:
        self._step(self.g_optimizer, self._g_weights, self.config.g_optimizer, self.steps_done)

    def _step(
        self, optimizer: torch.optim.Optimizer, weights: Sequence[Tensor], settings: OptimizerConfig, updates: int
    ) -> None:
        """Update some weights by their gradients, after so many ``updates`` of them."""
        for group in optimizer.param_groups:
            group["lr"] = schedules.learning_rate(settings, self.progress, updates)
        for weight in weights:
            if weight.grad is None:  # the loss (imitation alone) does not reach it; its moments exist all the same
                weight.grad = torch.zeros_like(weight)
        if settings.longest is not None:
            nn.utils.clip_grad_norm_(weights, settings.longest)
        optimizer.step()
        optimizer.zero_grad()

    @torch.no_grad()
    def _follow_average(self) -> None:
        if self.average is None or self.config.average is None:
            return
        share = 1 - schedules.average_decay(self.config.average, self.steps_done)
        pairs = list(zip(self.average.parameters(), self.generator.parameters(), strict=True))
        torch._foreach_lerp_([mine for mine, _ in pairs], [theirs for _, theirs in pairs], share)
        for mine, theirs in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            if mine.is_floating_point() and mine.dim():
                mine.lerp_(theirs, share)  # running statistics
            else:
                mine.copy_(theirs)  # counters and slopes

    @torch.no_grad()
    def _note(self, **values: Tensor) -> None:
        places = [METRICS.index(name) for name in values]
        self._sums[places] += torch.stack(list(values.values())).double()
        self._terms[places] += 1

    def _means(self) -> dict[str, float]:
        sums, terms = self._sums.tolist(), self._terms.tolist()
        self._sums.zero_()
        self._terms.zero_()
        means = {name: total / n for name, total, n in zip(METRICS, sums, terms, strict=True) if n}
        if not all(abs(value) < float("inf") for value in means.values()):
            raise Diverged(f"training diverged before step {self.steps_done}: {means} (try a lower rate)")
        return means

    @torch.no_grad()
    def check(self) -> None:
        """Make sure that losses and weights are numbers, so that this point is worth keeping.

        Raises:
            Diverged: they are not.

        """
        if not all(bool(values.isfinite().all()) for values in (self._sums, *self._g_weights, *self._d_weights)):
            raise Diverged(f"training diverged before step {self.steps_done}: weights or losses are no longer numbers")

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on exactly: tensors and numbers alone, so it loads with weights_only."""
        return {
            "steps_done": self.steps_done,
            "d_updates_done": self.d_updates_done,
            "wall_seconds": self.wall_seconds,
            "cpu_seconds": self.cpu_seconds,
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "discriminator": self.discriminator.state_dict(),
            "g_optimizer": self.g_optimizer.state_dict(),
            "d_optimizer": self.d_optimizer.state_dict(),
            "rng": self.rng.get_state(),
            "draws": self._draws.get_state(),
            "sums": self._sums,
            "terms": self._terms,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state made by :meth:`state_dict` of a game with the same config.

        Raises:
            ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError: it is not such a state.

        """
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self.average:
            self.average.load_state_dict(state["average"])
        restore_moments(self.g_optimizer, state["g_optimizer"])
        restore_moments(self.d_optimizer, state["d_optimizer"])
        self.rng.set_state(state["rng"])
        # A run that began on a CPU and goes on elsewhere has no draws of that device to go on with: they begin there.
        if self._draws is not self.rng and state["draws"].shape == self._draws.get_state().shape:
            self._draws.set_state(state["draws"])
        self._sums.copy_(state["sums"])
        self._terms.copy_(state["terms"])
        self.steps_done, self.d_updates_done = int(state["steps_done"]), int(state["d_updates_done"])
        self.wall_seconds, self.cpu_seconds = float(state["wall_seconds"]), float(state["cpu_seconds"])
        if not min(self.steps_done, self.d_updates_done, self.wall_seconds) >= 0:
            raise ValueError("counts below zero")
