"""Adversarial objectives, as functions from the discriminator's scores to losses, found by name.

``real`` and ``fake`` are raw scores (logits) of any equal shape, and every loss is a 0-d mean over them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

Loss = Callable[[Tensor, Tensor], Tensor]
"""``(real, fake) -> loss``: scores of data and of generated samples to a 0-d loss to minimise."""


@dataclass(frozen=True)
class Objective:
    """The losses of the two sides of a game.

    Attributes:
        discriminator: loss that the discriminator minimises.
        generator: loss that the generator minimises.
        paired: whether the generator's loss depends on the real scores too.

    """

    discriminator: Loss
    generator: Loss
    paired: bool = False


def gan_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``-log D(x) - log(1 - D(G(z)))`` with ``D = sigmoid(score)`` (Goodfellow et al., arXiv 1406.2661, eq. 1)."""
    return softplus(-real).mean() + softplus(fake).mean()


def gan_generator(real: Tensor, fake: Tensor) -> Tensor:
    """Non-saturating: ``-log D(G(z))`` (Goodfellow et al., arXiv 1406.2661, section 3)."""
    return softplus(-fake).mean()


def wgan_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``D(G(z)) - D(x)``: the negative Wasserstein estimate (Arjovsky et al., arXiv 1701.07875, eq. 3)."""
    return fake.mean() - real.mean()


def wgan_generator(real: Tensor, fake: Tensor) -> Tensor:
    """``-D(G(z))`` (Arjovsky et al., arXiv 1701.07875, algorithm 1)."""
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``max(0, 1 - D(x)) + max(0, 1 + D(G(z)))`` (Lim and Ye, arXiv 1705.02894)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def _require_pairs(real: Tensor, fake: Tensor) -> None:
    if real.shape != fake.shape:  # they would broadcast to all pairs
        raise ValueError(f"real and fake scores have shapes {tuple(real.shape)} and {tuple(fake.shape)}")


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``-log sigmoid(D(x) - D(G(z)))``, sample by sample (R3GAN, arXiv 2501.05441, eq. 2).

    Raises:
        ValueError: the scores differ in shape.

    """
    _require_pairs(real, fake)
    return softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """``-log sigmoid(D(G(z)) - D(x))``, sample by sample (R3GAN, arXiv 2501.05441, eq. 2).

    Raises:
        ValueError: the scores differ in shape.

    """
    _require_pairs(real, fake)
    return softplus(real - fake).mean()


OBJECTIVES: dict[str, Objective] = {
    "gan": Objective(gan_discriminator, gan_generator),
    "wgan": Objective(wgan_discriminator, wgan_generator),
    "hinge": Objective(hinge_discriminator, wgan_generator),
    "relativistic": Objective(relativistic_discriminator, relativistic_generator, paired=True),
}
