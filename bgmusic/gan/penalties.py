"""Gradient penalties on the discriminator, and clipping of its weights.

All are computed in float32. The discriminator is differentiated at points that are detached from the generator, so no
binary neuron is differentiated twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

Discriminator = Callable[[Tensor], Tensor]


def scores_and_gradients(discriminator: Discriminator, points: Tensor) -> tuple[Tensor, Tensor]:
    """Compute scores of points and the gradient of each score by its point, both differentiable by D's weights.

    Args:
        discriminator: maps ``(batch, ...)`` to scores; a score depends on its own point alone (no batch norm).
        points: ``(batch, ...)``; they are detached.

    Returns:
        The scores, in the discriminator's shape, and gradients ``(batch, ...)``.

    """
    points = points.detach().requires_grad_()
    scores = discriminator(points)
    (gradients,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    return scores, gradients


def squared_norms(gradients: Tensor) -> Tensor:
    """Return the squared Euclidean norm of each sample's gradient: ``(batch, ...) -> (batch,)``, float32."""
    return gradients.float().flatten(1).square().sum(1)


def zero_centred(gradients: Tensor) -> Tensor:
    """``1/2 E |grad D(x)|^2`` over the batch: R1 at data, R2 at generated samples, both binary points.

    Source: Mescheder et al., arXiv 1801.04406, equations 9 and 10; R3GAN, arXiv 2501.05441, equation 4.
    """
    return squared_norms(gradients).mean() / 2


def one_centred(gradients: Tensor) -> Tensor:
    """``E (|grad D(x)| - 1)^2`` over the batch: WGAN-GP's penalty at interpolated points.

    Source: Gulrajani et al., arXiv 1704.00028, equation 3.
    """
    # The norm's derivative at 0 is infinite; clamping at the smallest normal number keeps it finite.
    norms = squared_norms(gradients).clamp(min=torch.finfo(torch.float32).tiny).sqrt()
    return (norms - 1).square().mean()


def interpolate(real: Tensor, fake: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw points on the lines between pairs: ``fake + e (real - fake)``, ``e ~ U[0, 1)`` per sample.

    Args:
        real: ``(batch, ...)``.
        fake: the same shape.
        generator: source of the draws, on the CPU.

    Raises:
        ValueError: the shapes differ.

    Source: Gulrajani et al., arXiv 1704.00028, algorithm 1.

    """
    if real.shape != fake.shape:
        raise ValueError(f"real and fake samples have shapes {tuple(real.shape)} and {tuple(fake.shape)}")
    share = torch.rand(len(real), *[1] * (real.dim() - 1), generator=generator).to(real.device)
    return torch.lerp(fake, real, share)


@torch.no_grad()
def clip_weights(weights: Iterable[Tensor], bound: float) -> None:
    """Clip weights to ``[-bound, bound]`` in place (Arjovsky et al., arXiv 1701.07875, algorithm 1)."""
    for weight in weights:
        weight.clamp_(-bound, bound)
