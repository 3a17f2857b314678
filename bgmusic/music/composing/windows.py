"""Rolls that are longer than a composer's phrases, composed window by window.

A window is a phrase's length of bars. Each next one begins half a phrase later (rounded up), so
that the composer sees the last half of what it composed before, and what is composed goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.gan.generate import Told, device_of
from bgmusic.music.networks.composer.masks import cells_of
from bgmusic.music.networks.composer.network import Composer


def hop_of(bars: int) -> int:
    """The bars from one window of ``bars`` bars to the next."""
    return bars - bars // 2


def window_starts(length: int, bars: int) -> list[int]:
    """The first bars of the windows of ``bars`` bars that cover ``length`` bars; the last ends with them."""
    last = max(0, length - bars)
    return [*range(0, last, hop_of(bars)), last]


@torch.no_grad()
def compose(
    composer: Composer, given: Tensor, free: Tensor, noises: Iterator[Tensor], told: Told | None = None
) -> Tensor:
    """Compose the free units of rolls of any length; what is given stays as it is.

    Args:
        composer: in evaluation mode.
        given: zeros and ones ``(batch, channels, bars, steps, pitches)``, on any device.
        free: ``(batch, tracks, bars * beats)``, which units are to be composed.
        noises: of each window, ``(batch, latent)``.
        told: of each window, how many rolls have it.

    Returns:
        Booleans ``(batch, channels, bars, steps, pitches)``.

    """
    plan, device, length = composer.plan, device_of(composer), given.shape[2]
    # What is shorter than a phrase is composed to a whole one, and cut off again.
    missing = max(0, plan.bars - length)
    rolls = F.pad(given.to(torch.bool), (0, 0, 0, 0, 0, missing)).clone(memory_format=torch.contiguous_format)
    free = F.pad(free, (0, missing * plan.beats), value=True).clone(memory_format=torch.contiguous_format)
    for start in window_starts(length, plan.bars):
        bars = slice(start, start + plan.bars)
        units = slice(start * plan.beats, (start + plan.bars) * plan.beats)
        seen, open_ = rolls[:, :, bars], free[:, :, units]
        made = composer.accompany(seen.to(device, torch.float32), open_.to(device), next(noises).to(device)) > 0.5
        rolls[:, :, bars] = torch.where(cells_of(open_, plan), made.to(rolls.device), seen)
        free[:, :, units] = False
        if told:
            told(len(rolls))
    return rolls[:, :, :length]
