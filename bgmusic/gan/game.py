"""The game: a generator against a discriminator, by the rules of :class:`GameConfig`. It does no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bgmusic.gan import penalties, schedules
from bgmusic.gan.game_config import GameConfig
from bgmusic.gan.objectives import OBJECTIVES
from bgmusic.training.loop import Stream, Training
from bgmusic.training.optimizers import make_optimizer, restore_moments
from bgmusic.training.protocols import SampleNetwork, Source


@dataclass
class _Round:
    """Real samples and noise of one micro-batch, and G's samples from that noise."""

    stream: Stream
    real: Tensor
    noise: Tensor
    fake: Tensor | None = None


_BATCH_NORMS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm


class Game(Training):
    """A generator and a discriminator at play; one :meth:`update` is a G update after its D updates.

    Args:
        generator: maps noise ``(batch, latent)`` to samples; takes ``generator=`` for its neurons' draws.
        discriminator: maps samples to one score each.
        source: serves batches of real samples.
        config: the rules.
        seed: seed of data, noise, interpolation and neurons (networks bring their own initial weights).
        device: where the networks and samples are.
        seconds: budget in seconds of wall time, instead of ``config.steps``.

    """

    METRICS: ClassVar[tuple[str, ...]] = ("d_loss", "g_loss", "penalty", "real_score", "fake_score", "imitation")
    config: GameConfig

    def __init__(
        self,
        generator: SampleNetwork,
        discriminator: nn.Module,
        source: Source,
        config: GameConfig,
        seed: int = 0,
        device: str | torch.device = "cpu",
        seconds: float | None = None,
    ) -> None:
        super().__init__(generator, source, config, seed, device, seconds)
        self.discriminator = discriminator.to(self.device)
        self._d_weights = [weight for weight in self.discriminator.parameters() if weight.requires_grad]
        self.d_optimizer = make_optimizer(config.d_optimizer, self._d_weights)
        self.objective = OBJECTIVES[config.objective]
        # Batch norm makes a score depend on its whole batch: data and samples then pass D separately.
        self._together = not any(isinstance(module, _BATCH_NORMS) for module in discriminator.modules())
        self.d_updates_done = 0

    def train_mode(self) -> None:
        """Set both networks to training mode."""
        super().train_mode()
        self.discriminator.train()

    def counts(self) -> dict[str, int]:
        """Return the numbers of updates made, by the names under which they are logged."""
        return {"step": self.steps_done, "d_updates": self.d_updates_done}

    @property
    def networks(self) -> Sequence[nn.Module]:
        """The networks in training."""
        return [self.generator, self.discriminator]

    @property
    def weights(self) -> Sequence[Tensor]:
        """All weights that are trained."""
        return [*self._g_weights, *self._d_weights]

    def update(self) -> None:
        """Make one G update, after its D updates; or imitate alone, where the config says so."""
        imitation = self.config.imitation
        if imitation and self.progress < imitation.alone:
            self.imitate(1.0)
            self.step_generator()
        else:
            self._play_round()

    def _play_round(self) -> None:
        """Make the D updates that are due, and a G update."""
        config = self.config
        rounds: list[_Round] = []
        for update in range(schedules.discriminator_updates(config.d_updates, config.warmup, self.steps_done)):
            if update == 0 or not config.reuse_batch:
                rounds = self._deal()
            self._update_discriminator(rounds)
        if not rounds or not config.reuse_batch:
            # The last D update's data serve the G update, with fresh noise; the paired loss needs them.
            rounds = [_Round(r.stream, r.real, self._noise(r.stream)) for r in rounds or self._deal()]
        if config.imitation and config.imitation.weight:
            self.imitate(config.imitation.weight)
        self._update_generator(rounds)

    @property
    def _size(self) -> int:
        """The number of samples in a micro-batch."""
        return self.config.batch // self.config.accumulate

    def _noise(self, stream: Stream) -> Tensor:
        return torch.randn(self._size, self.generator.latent, generator=stream.data).to(self.device)

    def _deal(self) -> list[_Round]:
        """Deal real samples and noise to this process's micro-batches."""
        return [
            _Round(stream, self.source.batch(self._size, generator=stream.data), self._noise(stream))
            for stream in self._streams
        ]

    def _generate(self, dealt: _Round) -> Tensor:
        with self._autocast():
            samples: Tensor = self.generator(dealt.noise, generator=dealt.stream.neurons)
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
                    dealt.fake = self._generate(dealt)
            real, fake, penalty = self._judge(dealt, dealt.fake.detach(), due)
            loss = self.objective.discriminator(real, fake)
            ((loss + weight * penalty) / config.accumulate).backward(inputs=self._d_weights)
            noted = {"penalty": penalty} if due else {}
            self._note(d_loss=loss, real_score=real.mean(), fake_score=fake.mean(), **noted)
        self._step(self.d_optimizer, self._d_weights, config.d_optimizer, self.d_updates_done)
        if config.clip is not None:
            penalties.clip_weights(self._d_weights, config.clip)
        self.d_updates_done += 1

    def _judge(self, dealt: _Round, fake: Tensor, due: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of real and fake samples and, where it is due, the penalty (else 0)."""
        real = dealt.real
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
            points = penalties.interpolate(real, fake, dealt.stream.data)
            _, gradients = penalties.scores_and_gradients(self.discriminator, points)
            none = penalties.one_centred(gradients)
        if self._together:
            real_scores, fake_scores = self._scores(torch.cat([real, fake])).chunk(2)
            return real_scores, fake_scores, none
        return self._scores(real), self._scores(fake), none

    def _update_generator(self, rounds: list[_Round]) -> None:
        for dealt in rounds:
            fake = self._scores(self._generate(dealt) if dealt.fake is None else dealt.fake)
            real = fake.detach()
            if self.objective.paired:
                with torch.no_grad():
                    real = self._scores(dealt.real)
            loss = self.objective.generator(real, fake)
            (loss / self.config.accumulate).backward(inputs=self._g_weights)
            self._note(g_loss=loss)
        self.step_generator()

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a game resumes from: tensors and numbers alone, so it loads with weights_only."""
        return {
            **super().state_dict(),
            "d_updates_done": self.d_updates_done,
            "discriminator": self.discriminator.state_dict(),
            "d_optimizer": self.d_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state made by :meth:`state_dict` of a game with the same config.

        Raises:
            ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError: it is not such a state.

        """
        super().load_state_dict(state)
        self.discriminator.load_state_dict(state["discriminator"])
        restore_moments(self.d_optimizer, state["d_optimizer"])
        self.d_updates_done = int(state["d_updates_done"])
        if self.d_updates_done < 0:
            raise ValueError("counts below zero")
