"""What every score-function estimator shares: one interface, found by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bgmusic.neurons.draws import uniform_draws
from bgmusic.neurons.estimators.decision import substitute
from bgmusic.neurons.modules import Sloped

Loss = Callable[[Tensor], Tensor]
"""From bits ``(batch, ...)``, of the logits' shape and type, to one loss for each row, ``(batch,)``."""

SCORE_FUNCTIONS: dict[str, type[ScoreFunction]] = {}


class ScoreFunction(Sloped):
    """An estimate of ``E[loss(b)]`` for independent bits ``b ~ Bernoulli(sigmoid(slope x))``, to be differentiated.

    Where a neuron's estimator sees the gradient of the loss by the bits, a score function sees the loss itself: it
    calls ``loss`` on draws, so the loss need not be differentiable by the bits. What it returns has the losses'
    value; its gradient is an unbiased estimate by the logits, and the ordinary one by whatever else the loss uses::

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
        """Losses ``(batch,)`` that carry the estimated gradient.

        Args:
            loss: from bits ``(batch, ...)`` to losses ``(batch,)``; called once or more.
            logits: real numbers ``(batch, ...)``.
            generator: source of the draws, on the logits' device; the global one by default.

        Raises:
            ValueError: the loss does not give one number for each row.

        """
        raise TypeError("ScoreFunction is the common base: use one of SCORE_FUNCTIONS")

    def probability(self, logits: Tensor) -> Tensor:
        """``P(b = 1)``, float32, of the logits' shape; no gradient."""
        return torch.sigmoid(self.slope * logits.detach().float())


def draws(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    """Float32 draws from U[0, 1) of the logits' shape."""
    return uniform_draws(logits.shape, generator, logits.device)


def evaluate(loss: Loss, bits: Tensor) -> Tensor:
    """The losses ``(batch,)`` of these bits, floating: a count is no type that a gradient can be attached to.

    Raises:
        ValueError: the loss does not give one number for each row.

    """
    losses = loss(bits)
    if losses.shape != bits.shape[:1]:
        raise ValueError(
            f"a score function needs one loss for each row, shape {tuple(bits.shape[:1])}, not {tuple(losses.shape)}"
        )
    return losses if losses.is_floating_point() else losses.float()


def per_row(losses: Tensor, like: Tensor) -> Tensor:
    """Losses ``(batch,)`` without their gradient, float32, shaped to be multiplied with ``(batch, ...)``."""
    return losses.detach().float().view(-1, *[1] * (like.dim() - 1))


def attach(losses: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
    """The losses ``(batch,)``, whose gradient by the logits is also ``gradient`` ``(batch, ...)``."""
    # Zero in value, also where a logit is infinite, and `gradient` in derivative.
    carrier = substitute(logits, torch.zeros_like(gradient), gradient.detach())
    return losses + (carrier.flatten(1).sum(1) if logits.dim() > 1 else carrier).to(losses.dtype)


def register_score(name: str) -> Callable[[type[ScoreFunction]], type[ScoreFunction]]:
    """Decorate a :class:`ScoreFunction` to make it known as ``name``.

    Raises:
        ValueError: the name is taken.

    """

    def add(score: type[ScoreFunction]) -> type[ScoreFunction]:
        if name in SCORE_FUNCTIONS:
            raise ValueError(f"a score function named {name!r} exists already")
        SCORE_FUNCTIONS[name] = score
        return score

    return add
