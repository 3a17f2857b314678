"""The interface of networks that compose free units of a phrase to given ones."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.plan_bits import PlanBits
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import BinaryNeuron
from bgmusic.training.protocols import SampleNetwork


class ComposingNetwork(SampleNetwork):
    """Generator of phrases that can compose some units to others.

    Attributes:
        shape: shape of its phrases.
        neuron: its output neuron.
        plans: whether it composes under plans.
        recall_bars: how many bars before a phrase it sees of a longer piece.

    """

    shape: RollShape
    neuron: BinaryNeuron
    plans: bool = False
    recall_bars: int = 0

    def accompany(
        self,
        given: Tensor,
        free: Tensor,
        noise: Tensor,
        plan: PlanBits | None = None,
        keys: Tensor | None = None,
        earlier: Tensor | None = None,
    ) -> Tensor:
        """Compose the free units of phrases to the others, which stay as they are.

        Args:
            given: phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones.
            free: units to compose, boolean ``(batch, tracks, bars * beats)``.
            noise: ``(batch, latent)``.
            plan: what was decided before; None: nothing.
            keys: of the pieces that the phrases are parts of, int64 ``(batch,)``, C is 0; -1 or None: the phrases' own.
                Networks that know no keys ignore them.
            earlier: the bars of these pieces before the phrases, as many as ``recall_bars``, ``(batch, channels, bars,
                steps, pitches)``, silent where nothing came before; None: nothing came before.

        Returns:
            Phrases of the same shape.

        Raises:
            TypeError, ValueError: an argument has another type or shape.

        """
        raise NotImplementedError

    def revise(self, phrases: Tensor, free: Tensor, noise: Tensor, passes: int, share: float) -> Tensor:
        """Compose a random share of the free units again, several times, each time given all the others.

        Args:
            phrases: ``(batch, channels, bars, steps, pitches)``, zeros and ones.
            free: units that may change, boolean ``(batch, tracks, bars * beats)``.
            noise: ``(batch, latent)``.
            passes: how often.
            share: share of the free units that each pass opens.

        Returns:
            Phrases of the same shape.

        Raises:
            TypeError, ValueError: an argument has another type or shape.

        """
        raise NotImplementedError


def composes_under_plans(generator: SampleNetwork) -> TypeGuard[ComposingNetwork]:
    """Return whether a generator obeys plans."""
    return isinstance(generator, ComposingNetwork) and generator.plans


def bars_before(rolls: Tensor, start: int, bars: int, device: torch.device) -> Tensor | None:
    """Return the bars before a window of rolls, as :meth:`ComposingNetwork.accompany` takes them.

    Args:
        rolls: ``(batch, channels, bars, steps, pitches)``.
        start: number of the window's first bar.
        bars: how many; where there are fewer, they are silent; 0: nothing is asked for.
        device: of the network.

    Returns:
        Zeros and ones, float32; None if nothing came before.

    """
    if not bars or not start:
        return None
    first = max(0, start - bars)
    return F.pad(rolls[:, :, first:start], (0, 0, 0, 0, bars - (start - first), 0)).to(device, torch.float32)
