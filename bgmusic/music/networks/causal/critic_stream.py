"""Judge phrases while they are composed: a critic's layers with the activations of the steps so far, without dropout.

The results are those of :class:`Critic` for whole beginnings, to float tolerance.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.music.networks.causal.critic import PER_PHRASE, Critic
from bgmusic.music.networks.causal.critic_ahead import Ahead, Known
from bgmusic.music.networks.causal.critic_features import (
    Summary,
    describe_last,
    describe_obedience,
    describe_unplanned,
    fold_rows,
    places_under,
    summarize,
)
from bgmusic.music.networks.causal.stepping import affine
from bgmusic.music.networks.causal.steps import line_of
from bgmusic.music.networks.causal.tables import bag


class CriticStream:
    """Judge drafts step by step.

    Args:
        critic: the critic.
        known: what is known of the drafts in advance, equal for those that may replace each other.
        parallels: nats that drafts lose for each pair of tracks that move in octaves or fifths.

    """

    def __init__(self, critic: Critic, known: Known, parallels: float = 0.0) -> None:
        chords = known.chords
        like, channels, shape, batch = critic.table.weight, critic.channels, critic.shape, len(chords)
        self._planned = critic.planned is not None and bool(chords.any())
        self._chords, self._up = chords, known.up
        if self._planned:
            self._places = places_under(chords, shape)
            # Pitch classes are folded here, once; a critic folds twelve rows to themselves.
            self._both = fold_rows(critic.both_chords(chords))
        self._ahead = None if critic.ahead is None else Ahead.of(known, shape)
        self._step = 0
        self._critic, self._shape = critic, shape
        self._rules = critic.rule_table(parallels)
        self._offsets = torch.tensor(critic.offsets, device=like.device)
        self._join = _arranged(critic.join)
        self._blocks = [_arranged(block) for block in critic.blocks]
        self._reaches = [2 * int(block.dilation[0]) for block in map(_as_conv, critic.blocks)]  # steps back
        whole = shape.bars * shape.steps // critic.stride
        self._scale, self._length = PER_PHRASE / whole, 0
        # Inputs of each block, after the zeros that it sees before the first.
        self._inputs = [like.new_zeros(batch, reach + whole, channels) for reach in self._reaches]
        self._past: Summary | None = None
        self._rest = like.new_zeros(batch, 0, channels + 1)
        self._logits = like.new_zeros(batch)

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Return the logits of the drafts with further steps, float ``(batch,)``.

        Args:
            cells: notes of these steps, boolean ``(batch, steps, tracks, rows)``.
            starts: notes that start, of the same shape.

        """
        x = torch.cat([self._rest, self._embed(cells, starts)], 1)
        stride = self._critic.stride
        number = x.shape[1] // stride
        self._rest = x[:, number * stride :]
        if not number:
            return self._logits
        x, evidence = x[:, : number * stride].split([self._critic.channels, 1], 2)
        if stride > 1:
            x = F.leaky_relu(self._product(x.unflatten(1, (number, stride)).flatten(2), *self._join), 0.1)
        for inputs, reach, block in zip(self._inputs, self._reaches, self._blocks, strict=True):
            end = self._length + number
            inputs[:, reach + self._length : reach + end] = x
            seen = [inputs[:, self._length + back : end + back] for back in (0, reach // 2, reach)]
            x = x + F.leaky_relu(self._product(torch.cat(seen, 2), *block), 0.1)
        self._length += number
        judge = self._critic.judge
        logits = (x * judge.weight.view(-1)).sum((1, 2)) + number * _bias(judge)
        self._logits = self._logits + self._scale * logits + evidence.sum((1, 2))
        return self._logits

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places."""

        def moved(state: Tensor) -> Tensor:
            return state.index_copy(0, places, state.index_select(0, rows))

        for inputs, reach in zip(self._inputs, self._reaches, strict=True):
            filled = inputs[:, self._length : self._length + reach]  # what later steps see
            filled.index_copy_(0, places, filled.index_select(0, rows))
        self._rest, self._logits = moved(self._rest), moved(self._logits)
        self._past = None if self._past is None else self._past.map(moved)

    def _embed(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Embed further steps, and give the evidence of rules: ``(batch, steps, channels + 1)``."""
        critic, shape, number = self._critic, self._shape, cells.shape[1]
        here = slice(self._step, self._step + number)
        self._step += number
        steps = summarize(line_of(cells), starts, cells, shape, critic.repeats is not None)
        self._past = steps if self._past is None else self._past.followed_by(steps)
        if self._planned:
            obeyed = describe_obedience(steps, cells, self._chords[:, here], self._places[:, here], shape)
        else:
            obeyed = describe_unplanned(steps, shape)
        codes = torch.cat([describe_last(self._past, shape, number), obeyed], -1) + self._offsets
        begins = torch.arange(len(cells) * number, device=codes.device) * codes.shape[-1]
        x = bag(critic.table.weight, codes.flatten(0, 1), begins).view(len(cells), number, -1)
        x = x + critic.embed_chords(cells)
        if self._planned:
            x = x + critic.embed_planned(steps.bass, self._both[:, here])
        if self._ahead is not None:
            x = x + critic.embed_ahead(steps, self._ahead.here(here))
        if critic.drums:
            x = x + critic.hits(starts[:, :, critic.drums].flatten(2).to(x.dtype))
        return torch.cat([x, critic.evidence(codes, self._past, self._rules, self._up).unsqueeze(2).to(x.dtype)], 2)

    def _product(self, x: Tensor, bias: Tensor, weight: Tensor) -> Tensor:
        return affine(bias, x.flatten(0, 1), weight).view(*x.shape[:2], -1)


def _arranged(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the bias and the weight of a convolution, as of a product with ``(steps, inputs)``."""
    return _bias(layer), _as_conv(layer).weight.permute(2, 1, 0).flatten(0, 1).contiguous()


def _bias(layer: nn.Module) -> Tensor:
    bias = _as_conv(layer).bias
    if bias is None:
        raise TypeError("expected a convolution with a bias")
    return bias


def _as_conv(layer: nn.Module) -> nn.Conv1d:
    if not isinstance(layer, nn.Conv1d):
        raise TypeError("expected a convolution")
    return layer
