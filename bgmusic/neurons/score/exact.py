"""The exact expectation, by enumeration: the reference that every estimator is measured against."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from bgmusic.neurons.score.base import Loss, ScoreFunction, evaluate, register_score

MOST_BITS = 16


@register_score("exact")
class Exact(ScoreFunction):
    """``E[f(b)] = sum over all b of P(b) f(b)``, with its exact gradient.

    Bias and variance: none. Costs ``2^n`` calls of the loss for n bits in a row, so n is 16 at most; the sum is taken
    in float32, or float64 where the logits are.
    """

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Expected losses ``(batch,)``, differentiable by everything; ``generator`` is not needed and ignored.

        Raises:
            ValueError: more than 16 bits in a row, or the loss does not give one number for each row.

        """
        bits_in_row = logits.shape[1:].numel()
        if bits_in_row > MOST_BITS:
            raise ValueError(f"enumeration takes {MOST_BITS} bits in a row at most, not {bits_in_row}")
        argument = self.slope * (logits.float() if logits.dtype != torch.float64 else logits)
        fires, silent = torch.nn.functional.logsigmoid(argument), torch.nn.functional.logsigmoid(-argument)
        total = argument.new_zeros(len(logits))
        for pattern in itertools.product((0.0, 1.0), repeat=bits_in_row):
            row = torch.tensor(pattern, dtype=logits.dtype, device=logits.device).view(logits.shape[1:])
            weight = torch.where(row > 0, fires, silent).reshape(len(logits), bits_in_row).sum(1).exp()
            total = total + weight * evaluate(loss, row.expand_as(logits).contiguous())
        return total
