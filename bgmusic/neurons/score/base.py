"""Base class, helpers and registry of score-function estimators."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bgmusic.neurons.draws import uniform_draws
from bgmusic.neurons.estimators.decision import substitute
from bgmusic.neurons.functional import check_floating
from bgmusic.neurons.modules import Sloped

Loss = Callable[[Tensor], Tensor]
"""From bits ``(batch, ...)``, of the logits' shape and type, to one loss per row, ``(batch,)``."""

SCORE_FUNCTIONS: dict[str, type[ScoreFunction]] = {}


class ScoreFunction(Sloped):
    """Estimate ``E[loss(b)]`` and its gradient for independent bits ``b ~ Bernoulli(sigmoid(slope x))``.

    A score function evaluates the loss on samples of bits, so the loss need not be differentiable by the bits (a
    neuron's estimator uses that derivative). The result has the losses' value. Its gradient by the logits is an
    unbiased estimate; its gradient by anything else in the loss is the ordinary one::

        score = RLOO(samples=4)
        score(lambda bits: reward(decoder(bits)), encoder(x)).mean().backward()

    Args:
        slope: the sigmoid's slope.

    Raises:
        ValueError: the slope is not a positive number.

    """

    def forward(
        self, loss: Callable[[Tensor], Tensor], logits: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return losses ``(batch,)`` with the estimated gradient.

        Args:
            loss: function from bits ``(batch, ...)`` to losses ``(batch,)``; called once or more.
            logits: real numbers ``(batch, ...)``.
            generator: source of the draws, on the logits' device; the global one by default.

        Raises:
            ValueError: the logits are not floating or have no batch dimension, or the loss does not return one number
                per row.

        """
        raise TypeError("ScoreFunction is the common base: use one of SCORE_FUNCTIONS")

    def probability(self, logits: Tensor) -> Tensor:
        """Return ``P(b = 1)``, float32, of the logits' shape; without a gradient."""
        check_logits(logits)
        return torch.sigmoid(self.slope * logits.detach().float())


def check_logits(logits: Tensor) -> None:
    """Raise ValueError if the logits are not floating or have no batch dimension."""
    check_floating(logits)
    if not logits.dim():
        raise ValueError("logits must have shape (batch, ...), but these are 0-d")


def draws(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return float32 draws from U[0, 1) of the logits' shape."""
    return uniform_draws(logits.shape, generator, logits.device)


def evaluate(loss: Loss, bits: Tensor) -> Tensor:
    """Return the losses ``(batch,)`` of these bits, converted to a floating type if they are counts.

    Raises:
        TypeError: the loss does not return a tensor.
        ValueError: the loss does not return one number per row.

    """
    losses = loss(bits)
    if not isinstance(losses, Tensor):
        raise TypeError(f"the loss must return a tensor of one loss for each row, not {type(losses).__name__}")
    if losses.shape != bits.shape[:1]:
        raise ValueError(
            f"the loss must return one loss for each row, shape {tuple(bits.shape[:1])}, not {tuple(losses.shape)}"
        )
    return losses if losses.is_floating_point() else losses.float()


def per_row(losses: Tensor, like: Tensor) -> Tensor:
    """Return losses ``(batch,)`` without their gradient, float32, reshaped to broadcast with ``like`` (batch, ...)."""
    return losses.detach().float().view(-1, *[1] * (like.dim() - 1))


def attach(losses: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
    """Return the losses ``(batch,)`` with ``gradient`` ``(batch, ...)`` added to their gradient by the logits."""
    # The carrier is zero in value, also where a logit is infinite, and has `gradient` as its derivative.
    carrier = substitute(logits, torch.zeros_like(gradient), gradient.detach())
    return losses + (carrier.flatten(1).sum(1) if logits.dim() > 1 else carrier).to(losses.dtype)


def register_score(name: str) -> Callable[[type[ScoreFunction]], type[ScoreFunction]]:
    """Register the decorated :class:`ScoreFunction` as ``name``.

    Raises:
        ValueError: another class has this name.

    """

    def add(score: type[ScoreFunction]) -> type[ScoreFunction]:
        if name in SCORE_FUNCTIONS:
            raise ValueError(f"a score function named {name!r} exists already: choose another name")
        SCORE_FUNCTIONS[name] = score
        return score

    return add
