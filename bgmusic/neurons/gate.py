"""A gate: a yes or no for each example, and a no skips the branch's work."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.neurons.draws import uniform_draws
from bgmusic.neurons.modules import SBN, BinaryNeuron


class BinaryGate(nn.Module):
    """``y = shortcut(x) + b branch(x)`` with one bit for each row, and the branch computed where b is 1 alone.

    The rows that said yes are gathered, sent through the branch as a smaller batch, and added back: with half of the
    gates closed, half of the branch's work is done, forward and backward. Gradients by x, by the branch and by the
    shortcut are those of the formula.

    What opening a closed gate would have changed is known only where its branch runs all the same. So in training
    a share ``explore`` of the closed rows runs, adding nothing to y, and their gates' gradients count ``1 / explore``
    times: the gates' gradient is in expectation that of the dense computation. With ``explore=1`` it is the dense
    computation; with 0, closed gates learn nothing from their row, and only the ``one-sided`` estimator makes up
    for that, in expectation and for losses linear in the bit. Batch norm inside the branch sees the rows that run, and
    refuses a single one in training, as ever.

    Args:
        branch: from ``(rows, ...)`` to the shape of the shortcut's output.
        scorer: from ``(batch, ...)`` to logits ``(batch,)`` or ``(batch, 1)``; cheap beside the branch.
        shortcut: what a closed gate returns; x itself by default.
        neuron: decides; ``SBN("reinmax")`` by default.
        explore: share of closed rows that run in training, in [0, 1].

    Raises:
        ValueError: ``explore`` is not in [0, 1].

    """

    def __init__(
        self,
        branch: nn.Module,
        scorer: nn.Module,
        shortcut: nn.Module | None = None,
        neuron: BinaryNeuron | None = None,
        explore: float = 0.1,
    ) -> None:
        super().__init__()
        if not 0 <= explore <= 1:
            raise ValueError(f"explore is a share in [0, 1], not {explore}")
        self.branch = branch
        self.scorer = scorer
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.neuron = SBN("reinmax") if neuron is None else neuron
        self.explore = explore

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

    def route(self, x: Tensor, bits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The formula for given bits ``(batch,)``; ``generator`` picks the closed rows that run in training."""
        base: Tensor = self.shortcut(x)
        running = bits.detach() != 0
        if self.training and self.explore > 0 and bits.requires_grad:
            drawn = uniform_draws(bits.shape, generator, bits.device) < self.explore
            explored = drawn & ~running
            bits = torch.where(explored, bits / self.explore, bits)  # 0 / explore is 0; its gradient counts more
            running = running | explored
        rows = running.nonzero().flatten()
        if len(rows) == 0:
            return base + self._nothing(bits).to(base.dtype)
        everything = len(rows) == len(x)
        change: Tensor = self.branch(x if everything else x.index_select(0, rows))
        weight = bits if everything else bits.index_select(0, rows)
        change = change * weight.view(-1, *[1] * (change.dim() - 1)).to(change.dtype)
        return base + change if everything else base.index_add(0, rows, change.to(base.dtype))

    def _nothing(self, bits: Tensor) -> Tensor:
        """Zero, whose gradient by the bits and by the branch's weights is the formula's: zero, and not missing.

        So there is something to go back from, other processes that train the same model don't wait for gradients,
        and what is returned is never x itself, which the caller may overwrite.
        """
        weights = [weight for weight in self.branch.parameters() if weight.requires_grad]
        return sum((weight.flatten()[:0].sum() for weight in [bits, *weights]), torch.zeros((), device=bits.device))

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Decide and route: ``(batch, ...)`` to the shortcut's shape; ``generator`` feeds a stochastic neuron."""
        return self.route(x, self.decide(x, generator), generator)

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"explore={self.explore}"
