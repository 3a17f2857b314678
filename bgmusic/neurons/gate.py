"""A gate: a yes or no for each example, and a no skips the branch's work."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.neurons.modules import SBN, BinaryNeuron


class BinaryGate(nn.Module):
    """``y = shortcut(x) + b branch(x)`` with one bit for each row, and the branch computed where b is 1 alone.

    The rows that said yes are gathered, sent through the branch as a smaller batch, and added back: with half of the
    gates closed, half of the branch's work is done, forward and backward.

    Gradients by x, by the branch and by the shortcut are those of the formula. A closed gate's branch never ran, so
    its own derivative is unknown; the default neuron's ``one-sided`` estimator needs none there and is right in
    expectation for losses linear in the bit, because it draws: with a deterministic neuron a row that says no stops
    teaching its gate. Batch norm inside the branch sees the open rows alone.

    Args:
        branch: from ``(rows, ...)`` to the shape of the shortcut's output.
        scorer: from ``(batch, ...)`` to logits ``(batch,)`` or ``(batch, 1)``; cheap beside the branch.
        shortcut: what a closed gate returns; x itself by default.
        neuron: decides; ``SBN("one-sided")`` by default.

    """

    def __init__(
        self,
        branch: nn.Module,
        scorer: nn.Module,
        shortcut: nn.Module | None = None,
        neuron: BinaryNeuron | None = None,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.scorer = scorer
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.neuron = SBN("one-sided") if neuron is None else neuron

    def decide(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Each row's bit, ``(batch,)``: 1 is open. Their mean, times a price, is what a loss adds to close gates.

        Raises:
            ValueError: the scorer does not give one logit for each row.

        """
        logits: Tensor = self.scorer(x)
        if logits.numel() != len(x):
            raise ValueError(f"a gate's scorer gives one logit for each of {len(x)} rows, not {tuple(logits.shape)}")
        bits: Tensor = self.neuron(logits.reshape(-1), generator)
        return bits

    def route(self, x: Tensor, bits: Tensor) -> Tensor:
        """The formula for given bits ``(batch,)``; the branch sees the rows whose bit is not 0."""
        base: Tensor = self.shortcut(x)
        open_rows = bits.detach().nonzero().flatten()
        if len(open_rows) == 0:
            return base
        everything = len(open_rows) == len(x)
        change: Tensor = self.branch(x if everything else x.index_select(0, open_rows))
        weight = bits if everything else bits.index_select(0, open_rows)
        change = change * weight.view(-1, *[1] * (change.dim() - 1)).to(change.dtype)
        return base + change if everything else base.index_add(0, open_rows, change.to(base.dtype))

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Decide and route: ``(batch, ...)`` to the shortcut's shape; ``generator`` feeds a stochastic neuron."""
        return self.route(x, self.decide(x, generator))
