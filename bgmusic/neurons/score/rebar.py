"""REBAR: REINFORCE with a relaxed control variate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bgmusic.neurons.score.base import Loss, ScoreFunction, attach, draws, evaluate, per_row, register_score


@register_score("rebar")
class REBAR(ScoreFunction):
    """REBAR: REINFORCE with a binary Concrete relaxation as control variate.

    With ``z = slope x + logit(v)``, ``b = 1[z > 0]``, ``z'`` resampled given b, and ``c = sigmoid(z / temperature)``::

        g = slope (b - p) (f(b) - eta f(c')) + eta (d f(c) / dx - d f(c') / dx)

    Bias: none, for any eta and temperature. Variance: low where f is near its relaxation. Eta and the temperature
    are fixed here; the paper adapts both by gradient.
    Cost: three calls of the loss, which must accept numbers between 0 and 1 and be differentiable.

    Args:
        eta: weight of the control variate.
        temperature: temperature of the relaxation, positive.
        slope: the sigmoid's slope.

    Source: Tucker, Mnih, Maddison, Lawson and Sohl-Dickstein, arXiv 1703.07370.

    Raises:
        ValueError: the temperature or the slope is not a positive number; in a call also, the loss is not
            differentiable.

    """

    def __init__(self, eta: float = 1.0, temperature: float = 0.5, slope: float = 1.0) -> None:
        super().__init__(slope)
        if not temperature > 0:
            raise ValueError(f"the temperature must be a positive number, not {temperature}")
        self.eta = eta
        self.temperature = temperature

    def forward(self, loss: Loss, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return losses ``(batch,)`` with the estimated gradient; calls ``loss`` three times."""
        p = self.probability(logits)
        # Keep a distance of about float32's resolution from 0 and 1, where logit(v) is infinite.
        v, again = (draws(logits, generator).clamp(1e-7, 1 - 1e-7) for _ in range(2))
        bits = (v > 1 - p).to(logits.dtype)
        losses = evaluate(loss, bits)
        if torch.is_inference_mode_enabled():
            return losses

        def control_variate(x: Tensor) -> tuple[Tensor, Tensor]:
            argument = self.slope * x.float()
            q = torch.sigmoid(argument)
            # z given b: v is uniform above 1 - p where b = 1, below it where b = 0 (the paper's appendix C).
            conditional = torch.where(bits > 0, 1 - q * (1 - again), again * (1 - q)).clamp(1e-7, 1 - 1e-7)
            free = torch.sigmoid((argument + torch.logit(v)) / self.temperature)
            tied = torch.sigmoid((argument + torch.logit(conditional)) / self.temperature)
            relaxed, control = evaluate(loss, free.to(logits.dtype)), evaluate(loss, tied.to(logits.dtype))
            return (relaxed - control).sum(), control

        correction, control = _gradient(control_variate, logits.detach())
        score = self.slope * (bits - p) * per_row(losses - self.eta * control, p)
        return attach(losses, logits, score + self.eta * correction)

    def extra_repr(self) -> str:
        """Return the settings for ``print(module)``."""
        return f"eta={self.eta}, temperature={self.temperature}"


def _gradient(function: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient of a function's first output, and its second output."""
    try:
        leaf = x.requires_grad_()
    except RuntimeError:  # inside a transform of torch.func; outside, this would refuse losses that autograd takes
        gradient, other = torch.func.grad(function, has_aux=True)(x)
        return gradient, other
    with torch.enable_grad():
        value, other = function(leaf)
        if not value.requires_grad:
            raise ValueError("REBAR needs a loss that is differentiable in the bits: use DisARM or RLOO")
        return torch.autograd.grad(value, leaf)[0], other
