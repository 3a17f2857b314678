"""Discrete VAE with Bernoulli latents on binarized digits: the standard benchmark of gradient estimators.

An experiment of the estimators' guide (``bgmusic neurons vae``), not a generator of the toolkit.
"""

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
TEMPERATURE = 0.5  # of relaxations: the usual initial value of REBAR and of Jang et al.


class VaeConfig(Config):
    """Config of one training of the discrete VAE."""

    network: Literal["linear", "nonlinear"] = "linear"
    """Encoder and decoder of one dense layer each, or with two hidden layers of 200 and LeakyReLU 0.3 each
    (arXiv 2006.10680)."""
    estimator: str = "disarm"
    """Name of a neuron's estimator or of a score function."""
    latents: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Number of bits between encoder and decoder."""
    batch: Count = 100
    """Digits per training step."""
    rate: Positive = 1e-3
    """Learning rate of Adam (the papers use 1e-4 and a hundred times as many steps)."""

    @field_validator("estimator")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ESTIMATORS and name not in SCORE_FUNCTIONS:
            raise ValueError(f"unknown estimator {name!r}; known: {', '.join(methods())}")
        return name


def methods() -> list[str]:
    """Return the names of all estimators that can train the VAE: all but exact enumeration."""
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
    """Encode digits ``(batch, 784)`` as bits ``(batch, latents)`` and decode these to the digits' log-odds.

    The prior is a learned Bernoulli for each bit. The encoder's input is centred by the mean of the training data; the
    decoder's bias starts at the mean's log-odds, and its input bits are -1 and 1 (arXiv 2006.10680, appendix).

    Args:
        config: networks and estimator.
        mean: float ``(784,)``, mean of the training digits.

    Raises:
        ValueError: the mean has another shape.

    """

    mean: Tensor

    def __init__(self, config: VaeConfig, mean: Tensor) -> None:
        super().__init__()
        if mean.shape != (PIXELS,):
            raise ValueError(f"mean must have shape ({PIXELS},), not {tuple(mean.shape)}")
        self.register_buffer("mean", mean)
        self.encoder = _dense(PIXELS, config.latents, config.network)
        self.decoder = _dense(config.latents, PIXELS, config.network)
        self.prior = nn.Parameter(torch.zeros(config.latents))
        self.estimator = _make(config.estimator, config.latents)
        last = self.decoder[-1]
        with torch.no_grad():
            last.bias.copy_(torch.logit(mean.clamp(0.001, 0.999)))  # type: ignore[operator]

    def divergence(self, logits: Tensor) -> Tensor:
        """Return the exact ``KL(q || prior)``: ``(batch, latents) -> (batch,)``."""
        q = torch.sigmoid(logits)
        on = F.logsigmoid(logits) - F.logsigmoid(self.prior)
        off = F.logsigmoid(-logits) - F.logsigmoid(-self.prior)
        return (q * on + (1 - q) * off).sum(1)

    def loss(self, digits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the negative ELBO of each digit in nats: float ``(batch, 784)`` to ``(batch,)``.

        The divergence is differentiated exactly; the estimator is used for the reconstruction, ``E[-log p(x | b)]``.

        Raises:
            TypeError: the digits are not floating point.
            ValueError: the digits have another shape.

        """
        _require_digits(digits)
        logits = self.encoder(digits - self.mean)

        def reconstruction(bits: Tensor) -> Tensor:
            odds = self.decoder(2 * bits - 1)
            return F.binary_cross_entropy_with_logits(odds, digits, reduction="none").sum(1)

        return expected_loss(reconstruction, logits, self.estimator, generator) + self.divergence(logits)

    @torch.no_grad()
    def elbo(self, digits: Tensor, seed: int = 0) -> float:
        """Return the mean ELBO in nats with binary latents, one sample for each of the digits, float ``(N, 784)``.

        Raises:
            TypeError: the digits are not floating point.
            ValueError: the digits have another shape.

        """
        _require_digits(digits)
        generator = torch.Generator(digits.device).manual_seed(seed)
        draw = SBN()
        total = 0.0
        for part in digits.split(1000):
            part_logits = self.encoder(part - self.mean)
            odds = self.decoder(2 * draw(part_logits, generator) - 1)
            error = F.binary_cross_entropy_with_logits(odds, part, reduction="none").sum(1)
            total -= float((error + self.divergence(part_logits)).double().sum())
        return total / len(digits)


def _require_digits(digits: Tensor) -> None:
    if not digits.is_floating_point():
        raise TypeError(f"digits must be floating point, not {digits.dtype}")
    if digits.ndim != 2 or digits.shape[1] != PIXELS or not len(digits):
        raise ValueError(f"digits must have shape (N, {PIXELS}), not {tuple(digits.shape)}")
