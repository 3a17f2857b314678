"""The standard discrete VAE: 200 Bernoulli latents on binarized digits, for comparing gradient estimators."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.neurons import ESTIMATORS, SBN, SCORE_FUNCTIONS, BinaryNeuron, ScoreFunction, expected_loss
from bgmusic.neurons.score import AdjustedReinforce, Exact
from bgmusic.training.loop_config import Count, Positive
from bgmusic.yaml import Config

PIXELS = 784
TEMPERATURE = 0.5  # of the relaxations, where they are used: REBAR's and Jang et al.'s usual start


class VaeConfig(Config):
    """One training of the discrete VAE."""

    network: Literal["linear", "nonlinear"] = "linear"
    """One dense layer each way, or two hidden layers of 200 with LeakyReLU 0.3 each way (arXiv 2006.10680)."""
    estimator: str = "disarm"
    """A neuron's estimator, or a score function, by name."""
    latents: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Bits between encoder and decoder."""
    batch: Count = 100
    """Digits in a step."""
    rate: Positive = 1e-3
    """Adam's learning rate (the papers: 1e-4, with a hundred times our steps)."""

    @field_validator("estimator")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ESTIMATORS and name not in SCORE_FUNCTIONS:
            raise ValueError(f"unknown estimator {name!r}; known: {', '.join(methods())}")
        return name


def methods() -> list[str]:
    """Names of all estimators that can train the VAE: every one but enumeration."""
    return sorted(ESTIMATORS) + sorted(name for name, kind in SCORE_FUNCTIONS.items() if kind is not Exact)


def _make(name: str, latents: int) -> BinaryNeuron | ScoreFunction:
    if name in ESTIMATORS:
        return SBN(name, temperature=TEMPERATURE if name.startswith("concrete") else 1.0)
    kind = SCORE_FUNCTIONS[name]
    return AdjustedReinforce((latents,)) if kind is AdjustedReinforce else kind()


def _dense(inputs: int, outputs: int, kind: str) -> nn.Sequential:
    if kind == "linear":
        return nn.Sequential(nn.Linear(inputs, outputs))
    hidden = 200
    return nn.Sequential(
        *(nn.Linear(inputs, hidden), nn.LeakyReLU(0.3)),
        *(nn.Linear(hidden, hidden), nn.LeakyReLU(0.3)),
        nn.Linear(hidden, outputs),
    )


class DiscreteVae(nn.Module):
    """Digits ``(batch, 784)`` through bits ``(batch, latents)`` to the digits' log-odds.

    The prior is a learned Bernoulli for each bit. The encoder sees digits less their mean over the training data; the
    decoder starts at the mean's log-odds and sees bits as -1 and 1 (arXiv 2006.10680, appendix).
    """

    mean: Tensor

    def __init__(self, config: VaeConfig, mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.encoder = _dense(PIXELS, config.latents, config.network)
        self.decoder = _dense(config.latents, PIXELS, config.network)
        self.prior = nn.Parameter(torch.zeros(config.latents))
        self.estimator = _make(config.estimator, config.latents)
        last = self.decoder[-1]
        with torch.no_grad():
            last.bias.copy_(torch.logit(mean.clamp(0.001, 0.999)))  # type: ignore[operator]

    def divergence(self, logits: Tensor) -> Tensor:
        """``KL(q || prior)``, exact: ``(batch, latents) -> (batch,)``."""
        q = torch.sigmoid(logits)
        on = F.logsigmoid(logits) - F.logsigmoid(self.prior)
        off = F.logsigmoid(-logits) - F.logsigmoid(-self.prior)
        return (q * on + (1 - q) * off).sum(1)

    def loss(self, digits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The negative ELBO of each digit, nats: ``(batch, 784) -> (batch,)``.

        The divergence is differentiated exactly; the estimator serves the reconstruction, ``E[-log p(x | b)]``.
        """
        logits = self.encoder(digits - self.mean)

        def reconstruction(bits: Tensor) -> Tensor:
            odds = self.decoder(2 * bits - 1)
            return F.binary_cross_entropy_with_logits(odds, digits, reduction="none").sum(1)

        return expected_loss(reconstruction, logits, self.estimator, generator) + self.divergence(logits)

    @torch.no_grad()
    def elbo(self, digits: Tensor, seed: int = 0) -> float:
        """The mean ELBO in nats by genuine bits, one draw for each of the digits ``(N, 784)``."""
        generator = torch.Generator(digits.device).manual_seed(seed)
        draw = SBN()
        total = 0.0
        for part in digits.split(1000):
            part_logits = self.encoder(part - self.mean)
            odds = self.decoder(2 * draw(part_logits, generator) - 1)
            error = F.binary_cross_entropy_with_logits(odds, part, reduction="none").sum(1)
            total -= float((error + self.divergence(part_logits)).double().sum())
        return total / len(digits)
