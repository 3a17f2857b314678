"""The exact expectation by enumeration: the reference for measuring estimators."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from bgmusic.neurons.score.base import Loss, ScoreFunction, check_logits, evaluate, register_score

MOST_BITS = 16


@register_score("exact")
class Exact(ScoreFunction):
    """``E[f(b)] = sum over all b of P(b) f(b)``, with its exact gradient.

    The sum is computed in float32, or in float64 if the logits are float64.

    Bias and variance: none. Cost: ``2^n`` calls of the loss for n bits per row; n is 16 at most.
    """

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return expected losses ``(batch,)``, differentiable by everything; ``generator`` is ignored.

        Raises:
            ValueError: there are more than 16 bits per row, the logits are not floating or have no batch dimension, or
                the loss does not return one number per row.

        """
        check_logits(logits)
        bits_in_row = logits.shape[1:].numel()
        if bits_in_row > MOST_BITS:
            raise ValueError(
                f"enumeration is limited to {MOST_BITS} bits per row, not {bits_in_row}: use another estimator"
            )
        argument = self.slope * (logits.float() if logits.dtype != torch.float64 else logits)
        fires, silent = torch.nn.functional.logsigmoid(argument), torch.nn.functional.logsigmoid(-argument)
        total = argument.new_zeros(len(logits))
        for pattern in itertools.product((0.0, 1.0), repeat=bits_in_row):
            row = torch.tensor(pattern, dtype=logits.dtype, device=logits.device).view(logits.shape[1:])
            weight = torch.where(row > 0, fires, silent).reshape(len(logits), bits_in_row).sum(1).exp()
            total = total + weight * evaluate(loss, row.expand_as(logits).contiguous())
        return total
