"""Learn how much what returns counts where drafts are chosen: from whole pieces, as they are composed.

What is composed differs from music in how much there is to return, so phrases after real ones would not do. By maximum
likelihood, as :func:`.learning.critics_loss` is with phrases composed under critics.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.causal.again import Counts, count_returns, sounding_beats
from bgmusic.music.networks.causal.critic_returns import number_notes, returning
from bgmusic.music.networks.causal.earlier import recalled
from bgmusic.music.networks.causal.finish import finished
from bgmusic.music.networks.causal.learning import Learner
from bgmusic.music.networks.causal.recall import Recall
from bgmusic.music.networks.causal.request import Request
from bgmusic.music.networks.causal.rows import planned_rows
from bgmusic.music.networks.causal.steps import by_step, describe_steps
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.composing_network import bars_before
from bgmusic.music.networks.keys import draw_keys, to_common


class Recaller(Learner, Protocol):
    """What learns here: a causal composer that recalls."""

    recall: Recall | None
    recall_bars: int
    keys: Tensor


def again_loss(network: Recaller, real: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return the loss of the weights of what returns.

    Args:
        network: its :class:`.again.Returning` learns.
        real: stretches of pieces, ``(batch, channels, phrases * bars, steps, pitches)``; those that are silent at
            their beginning, where a piece begins later, are left out.
        generator: source of the draws.

    Raises:
        TypeError: the network recalls nothing.

    """
    if network.recall is None:
        raise TypeError("this composer recalls nothing")
    training = network.training
    network.train(False)
    made = _pieces(network, real, generator)
    network.train(training)
    whole = real[:, :, 0].flatten(1).any(1)
    counts = (_count(network, music) for music in (made, real[whole] if bool(whole.any()) else made))
    ours, theirs = (network.recall.returning(found).mean() for found in counts)
    loss: Tensor = ours - theirs
    return loss


def _pieces(network: Recaller, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Compose as many pieces as ``like`` has, of the same length, window by window; each sees half of the one before.

    Rounds the length down to whole windows: what is left stays silent.
    """
    shape, pieces = network.shape, torch.zeros_like(like)
    bars, keys = shape.bars, None
    for start in range(0, like.shape[2] - bars + 1, bars - bars // 2):
        noise = torch.randn(len(like), network.noise.size, generator=generator).to(like.device)
        keys = draw_keys(network.keys, network.noise.key(noise)) if keys is None else keys
        window = pieces[:, :, start : start + bars]
        free = torch.ones(len(like), len(shape.track_set), bars * shape.beats, dtype=torch.bool, device=like.device)
        free[:, :, : bars // 2 * shape.beats] = not start
        earlier = bars_before(pieces, start, network.recall_bars, like.device)
        request = Request(to_draft(window, shape), free, None, keys, earlier)
        *_, (_, cells, onsets) = network.compose(request, noise, network.noise, learning=True)
        pieces[:, :, start : start + bars] = finished((cells, onsets), keys, None, like.dtype, shape)
    return pieces


def _count(network: Recaller, music: Tensor) -> Counts:
    """Count what returns after the first phrase of stretches."""
    shape, phrases = network.shape, network.settings.recall
    keys = torch.zeros(len(music), dtype=torch.int64, device=music.device)
    cells, onsets = by_step(to_draft(music, shape).map(lambda plane: to_common(plane, keys, shape)))
    started, size = describe_steps(cells, onsets).started, shape.bars * shape.steps
    long = F.pad(music, (0, 0, 0, 0, phrases * shape.bars, 0))
    again = torch.zeros(len(music), 1, 1, 1, device=music.device)
    for number in range(1, phrases + 1):
        bars, steps = number * shape.bars, slice(number * size, (number + 1) * size)
        earlier = long[:, :, bars : bars + phrases * shape.bars]
        known = recalled(earlier, keys, planned_rows(None, keys, shape), network.settings, shape)
        if known is not None:
            again = again + count_returns(cells[:, steps], started[:, steps], known, shape)
    within = returning(number_notes(cells, started), shape, phrases * size).float().sum(1)
    notes = started[:, size:].float().sum((1, 3)) / shape.steps
    return Counts(again, within, notes, sounding_beats(cells[:, size:], shape.unit))
