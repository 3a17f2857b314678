"""A binary gate that skips the computation of a branch for the rows it closes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.neurons.draws import uniform_draws
from bgmusic.neurons.functional import check_floating
from bgmusic.neurons.modules import SBN, BinaryNeuron


def _under_vmap(x: Tensor) -> bool:
    """Return whether ``torch.func.vmap`` maps over a tensor; it hides whether the tensor requires a gradient."""
    try:
        x[:0].nonzero()  # vmap has no shapes that depend on numbers
    except RuntimeError:
        return True
    return False


class BinaryGate(nn.Module):
    """Compute ``y = shortcut(x) + b branch(x)`` with one bit per row, and the branch only for rows with b = 1.

    Rows with an open gate are gathered, sent through the branch as a smaller batch, and added back. With half of the
    gates closed, half of the branch's work is done, forward and backward. The gradients by x, the branch and the
    shortcut are those of the formula.

    The gradient of a closed gate depends on its branch's output, which is not computed. In training, a fraction
    ``explore`` of the closed rows therefore runs through the branch without contributing to y, and the gradients of
    their gates are weighted by ``1 / explore``: in expectation, the gates' gradient is that of the dense computation.
    With ``explore=1`` it is the dense computation. With 0, closed gates learn nothing from their row; only the
    ``one-sided`` estimator makes up for that, in expectation and for losses linear in the bit.

    Under :func:`torch.func.vmap` the branch runs on all rows, with the same result.

    Batch norm inside the branch sees the rows that run, and raises an error for a single row in training, as usual.

    Args:
        branch: module from ``(rows, ...)`` to the shape of the shortcut's output.
        scorer: module from ``(batch, ...)`` to logits ``(batch,)`` or ``(batch, 1)``; cheap beside the branch.
        shortcut: output of a closed gate; x itself by default.
        neuron: the binary neuron; ``SBN("reinmax")`` by default.
        explore: fraction of closed rows that run in training, in [0, 1].

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
            raise ValueError(f"explore must be a fraction in [0, 1], not {explore}")
        self.branch = branch
        self.scorer = scorer
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.neuron = SBN("reinmax") if neuron is None else neuron
        self.explore = explore

    def decide(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return one bit per row, ``(batch,)``; 1 is open. Add their mean to the loss, weighted, to close gates.

        Raises:
            ValueError: the scorer does not give one logit per row.

        """
        logits: Tensor = self.scorer(x)
        if logits.numel() != len(x):
            raise ValueError(
                f"the gate's scorer must give one logit for each of {len(x)} rows, not {tuple(logits.shape)}"
            )
        bits: Tensor = self.neuron(logits.reshape(-1), generator)
        return bits

    def route(self, x: Tensor, bits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Compute the formula for given bits.

        Args:
            x: input ``(batch, ...)``.
            bits: the gates, floating ``(batch,)``; 1 is open.
            generator: source of the choice of closed rows that run in training.

        Returns:
            Output of the shortcut's shape.

        Raises:
            ValueError: the bits are not floating, not one per row, or the branch's output shape is not the shortcut's.

        """
        check_floating(bits, "bits")
        if bits.shape != x.shape[:1]:
            raise ValueError(f"bits must have one number for each of {len(x)} rows, not shape {tuple(bits.shape)}")
        base: Tensor = self.shortcut(x)
        running = bits.detach() != 0
        if self.training and self.explore > 0 and (bits.requires_grad or _under_vmap(bits)):
            drawn = uniform_draws(bits.shape, generator, bits.device) < self.explore
            explored = drawn & ~running
            bits = torch.where(explored, bits / self.explore, bits)  # the value stays 0; the gradient is scaled up
            running = running | explored
        try:
            rows = running.nonzero().flatten()
        except RuntimeError:
            if not _under_vmap(bits):
                raise
            return self._add(base, self.branch(x), torch.where(running, bits, 0))
        if len(rows) == 0:
            return base + self._zero(bits).to(base.dtype)
        if len(rows) == len(x):
            return self._add(base, self.branch(x), bits)
        return self._add(base, self.branch(x.index_select(0, rows)), bits.index_select(0, rows), rows)

    @staticmethod
    def _add(base: Tensor, change: Tensor, bits: Tensor, rows: Tensor | None = None) -> Tensor:
        """Add the branch's outputs times their bits to the rows of the base, by default to all."""
        if change.shape != (len(bits), *base.shape[1:]):
            shapes = f"{tuple(change.shape[1:])} per row, the shortcut {tuple(base.shape[1:])}"
            raise ValueError(f"branch and shortcut must have outputs of one shape: the branch returned {shapes}")
        change = change * bits.view(-1, *[1] * (change.dim() - 1)).to(change.dtype)
        return base + change if rows is None else base.index_add(0, rows, change.to(base.dtype))

    def _zero(self, bits: Tensor) -> Tensor:
        """Return 0, with a gradient of 0 by the bits and the branch's weights.

        Without it, these gradients would be missing, and distributed training would wait for them. It also keeps the
        output from being x itself, which the caller may overwrite.
        """
        weights = [weight for weight in self.branch.parameters() if weight.requires_grad]
        return sum((weight.flatten()[:0].sum() for weight in [bits, *weights]), torch.zeros((), device=bits.device))

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Decide and route: ``(batch, ...)`` to the shortcut's shape; ``generator`` feeds a stochastic neuron."""
        return self.route(x, self.decide(x, generator), generator)

    def extra_repr(self) -> str:
        """Return the settings for ``print(module)``."""
        return f"explore={self.explore}"
