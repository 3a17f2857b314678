"""The critic: a discriminator that judges every beginning of a phrase.

It estimates the log of the ratio of the probabilities that real music and the generator give to the steps so far. While
a phrase is composed, several drafts are weighted by these ratios, and the critic decides which of them go on: a
particle filter. With a perfect critic and many drafts the result follows the distribution of real music.

Sources: the ratio from a discriminator: Sugiyama et al., "Density ratio estimation", 2012; rejection by it: Azadi et
al., "Discriminator rejection sampling", arXiv 1810.06758; particle filters: Doucet et al., 2001; the same for text:
Deng et al., "Residual energy-based models", arXiv 2004.11714.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.gan.layers import Dropout
from bgmusic.music.networks.causal.critic_ahead import Ahead, Known, ahead_sizes, describe_ahead
from bgmusic.music.networks.causal.critic_features import (
    MOTION_CODES,
    Summary,
    describe_last,
    describe_obedience,
    feature_sizes,
    fold_rows,
    motion_columns,
    parallel_motions,
    places_under,
    summarize,
)
from bgmusic.music.networks.causal.critic_returns import returning, returning_rhythms
from bgmusic.music.networks.causal.steps import Steps
from bgmusic.music.networks.keys import MARGIN
from bgmusic.music.rolls.shape import RollShape

_DILATIONS = (1, 2, 4, 8, 16)
RULE = 10.0  # scale of rules, so that an optimizer's small steps reach the log of a rare event's ratio
_RARE = 200.0  # the same for those that are learnt last, in few and much smaller steps
PER_PHRASE = 8.0  # scale of the logits: the sum of a phrase's steps times this is of the order of 1


class Critic(nn.Module):
    """Judge the beginnings of phrases by dilated causal convolutions over categories of steps.

    Args:
        shape: of the phrases.
        channels: channels of a step.
        dropout: share of dropped channels.
        knows: whether it sees what is known in advance: planned chords, and what leads to the next beat.
        returns: whether it weighs beats and bars whose notes return.
        registers: whether it weighs the pitches of each track, whatever the key.

    """

    def __init__(
        self,
        shape: RollShape,
        channels: int,
        dropout: float,
        knows: bool = True,
        returns: bool = False,
        registers: bool = False,
    ) -> None:
        super().__init__()
        self.shape, self.channels, rows = shape, channels, shape.pitches + 2 * MARGIN
        sizes = feature_sizes(shape, rows)
        self.offsets = [sum(sizes[:number]) for number in range(len(sizes))]
        self.table = nn.EmbeddingBag(sum(sizes), channels, mode="sum")
        nn.init.normal_(self.table.weight, std=0.3 / len(sizes) ** 0.5)
        self.ahead: nn.EmbeddingBag | None = None
        sizes_ahead = ahead_sizes(shape) if knows else []
        if sizes_ahead:
            self.ahead = nn.EmbeddingBag(sum(sizes_ahead), channels, mode="sum")
            nn.init.zeros_(self.ahead.weight)
        self.offsets_ahead = [sum(sizes_ahead[:number]) for number in range(len(sizes_ahead))]
        # Drums, and the tracks' own chords over their lowest notes.
        tracks = len(shape.track_set)
        self.drums = [track for track in range(tracks) if shape.drums[track]]
        self.hits = nn.Linear(max(1, len(self.drums)) * rows, channels, bias=False)
        self.chords = nn.Linear(tracks * 12, channels, bias=False)
        # Planned chords of this beat and the next, with their basses, over the lowest of all notes.
        self.planned = nn.Linear(4 * 12, channels, bias=False) if knows else None
        # Steps of fine grids are joined to a quarter of a beat or so.
        self.stride = max(1, shape.unit // 4)
        self.join = nn.Conv1d(channels, channels, self.stride, self.stride)
        self.blocks = nn.ModuleList(nn.Conv1d(channels, channels, 3, dilation=d) for d in _DILATIONS)
        self.judge = nn.Conv1d(channels, 1, 1)
        # The evidence of single motions of two tracks, such as parallel octaves: rare, but far rarer in real music.
        self.motions = motion_columns(shape)
        self.rules = nn.EmbeddingBag(max(1, len(self.motions)) * MOTION_CODES, 1, mode="sum")
        nn.init.zeros_(self.rules.weight)
        # From codes of these columns to those of rules.
        self._to_rules = [n * MOTION_CODES - self.offsets[column] for n, column in enumerate(self.motions)]
        # Parallel octaves, and fifths, of any two tracks: one weight each, as no two tracks have enough of them.
        self.parallels = nn.Parameter(torch.zeros(2))
        # Rhythms of bars that return after one bar or two, up to each beat, of pitched tracks and of drums.
        self.returns = nn.Parameter(torch.zeros(2, 2, shape.beats))
        # Notes that return, of beats and of bars, of each track.
        self.repeats = nn.Parameter(torch.zeros(tracks, 2, 2)) if returns else None
        # Pitches, and rests, of each line: features are of the common key, and see no registers.
        self.registers: nn.EmbeddingBag | None = None
        if registers and shape.drums.count(False):
            self.registers = nn.EmbeddingBag(shape.drums.count(False) * (shape.pitches + 1), 1, mode="sum")
            nn.init.zeros_(self.registers.weight)
        self._drums = [int(drums) for drums in shape.drums]
        self.dropout = Dropout(dropout)

    def forward(self, steps: Steps, cells: Tensor, known: Known) -> Tensor:
        """Return the logits of the beginnings ``(batch, steps / stride)``, positive for real ones.

        Args:
            steps: of the phrases, in the common key.
            cells: their notes, boolean ``(batch, steps, tracks, rows)``; whole strides are judged.
            known: what is known in advance.

        """
        chords = known.chords
        summary = summarize(steps.line, steps.started, cells, self.shape, self.repeats is not None)
        obeyed = describe_obedience(summary, cells, chords, places_under(chords, self.shape), self.shape)
        codes = torch.cat([describe_last(summary, self.shape, cells.shape[1]), obeyed], -1)
        codes = codes + torch.tensor(self.offsets, device=cells.device)
        x = self.table(codes.flatten(0, 1)).view(*codes.shape[:2], self.channels)
        x = x + self.embed_chords(cells)
        if self.planned is not None:
            x = x + self.embed_planned(summary.bass, self.both_chords(chords))
        if self.ahead is not None:
            x = x + self.embed_ahead(summary, Ahead.of(known, self.shape))
        if self.drums:
            x = x + self.hits(steps.started[:, :, self.drums].flatten(2).to(x.dtype))
        x = self.dropout(x.transpose(1, 2))
        if self.stride > 1:
            x = self.dropout(F.leaky_relu(self.join(x), 0.1))
        for block, dilation in zip(self.blocks, _DILATIONS, strict=True):
            x = x + self.dropout(F.leaky_relu(block(F.pad(x, (2 * dilation, 0))), 0.1))
        whole = self.shape.bars * self.shape.steps // self.stride
        logits = self.judge(x)[:, 0].float().cumsum(1) * (PER_PHRASE / whole)
        evidence = self.evidence(codes, summary, self.rule_table(), known.up)[:, : logits.shape[1] * self.stride]
        total: Tensor = logits + evidence.unflatten(1, (-1, self.stride)).sum(-1).cumsum(1)
        return total

    def rule_table(self, cost: float = 0.0) -> Tensor:
        """Return the evidence of each code of a motion: float32 ``(codes, 1)``; parallels have ``cost`` nats less."""
        table = self.rules.weight.float() * RULE
        kinds = parallel_motions().to(table.device)
        for weight, kind in zip(self.parallels.float() * _RARE - cost, kinds, strict=True):
            codes = (kind + MOTION_CODES * torch.arange(len(self.motions), device=kind.device)[:, None]).flatten()
            table = table.index_add(0, codes, weight.expand(len(codes), 1))
        return table

    def evidence(self, codes: Tensor, steps: Summary, table: Tensor, up: Tensor) -> Tensor:
        """Return what the rules add to the logits of the last steps: float32 ``(batch, steps)``.

        Args:
            codes: of these steps, int64 ``(batch, steps, features)``.
            steps: all steps so far.
            table: see :meth:`rule_table`.
            up: see :class:`Known`.

        """
        number, length = codes.shape[1], steps.strikes.shape[1]
        places = torch.arange(length - number, length, device=codes.device) % self.shape.steps
        beats = places // self.shape.unit
        weights = self.returns.float()[self._drums][:, :, beats].permute(2, 0, 1) * _RARE  # (steps, tracks, 2)
        evidence = (returning_rhythms(steps.strikes, self.shape, number) * weights).sum((2, 3))
        if self.repeats is not None:
            repeated = returning(steps.notes, self.shape, number)
            evidence = evidence + (repeated * self.repeats.float() * _RARE).sum((2, 3, 4))
        if self.registers is not None:
            line = steps.line[:, -number:]
            pitch = (line - MARGIN + up[:, None, None]).clamp(0, self.shape.pitches - 1)
            pitch = torch.where(line >= 0, pitch, self.shape.pitches)
            pitch = pitch + torch.arange(line.shape[2], device=line.device) * (self.shape.pitches + 1)
            evidence = evidence + self.registers(pitch.flatten(0, 1)).float().view(codes.shape[:2]) * RULE
        if self.motions:
            motions = codes[..., self.motions] + torch.tensor(self._to_rules, device=codes.device)
            evidence = evidence + F.embedding_bag(motions.flatten(0, 1), table, mode="sum").view(codes.shape[:2])
        return evidence

    def both_chords(self, chords: Tensor) -> Tensor:
        """Return the planned chords of each step and of a beat later: ``(batch, steps, 4, rows)``."""
        unit = self.shape.unit
        return torch.cat([chords, F.pad(chords[:, unit:], (0, 0, 0, 0, 0, unit))], 2)

    def embed_ahead(self, summary: Summary, ahead: Ahead) -> Tensor:
        """Embed how steps lead to what is known of the next beat; see :func:`describe_ahead`."""
        codes = describe_ahead(summary, ahead, self.shape)
        codes = codes + torch.tensor(self.offsets_ahead, device=codes.device)
        embedded: Tensor = cast("nn.EmbeddingBag", self.ahead)(codes.flatten(0, 1))
        return embedded.view(*codes.shape[:2], self.channels)

    def embed_chords(self, cells: Tensor) -> Tensor:
        """Embed each track's pitch classes above its lowest note."""
        lowest = torch.where(cells.any(-1), cells.to(torch.uint8).argmax(-1), 0)
        embedded: Tensor = self.chords(_above(cells, lowest).flatten(2).to(self.chords.weight.dtype))
        return embedded

    def embed_planned(self, bass: Tensor, chords: Tensor) -> Tensor:
        """Embed planned chords, see :meth:`both_chords`, above the lowest notes ``(batch, steps)``."""
        planned = cast("nn.Linear", self.planned)
        above = _above(chords, bass.clamp(min=0)[..., None])
        embedded: Tensor = planned(above.flatten(2).to(planned.weight.dtype))
        return embedded


def _above(cells: Tensor, lowest: Tensor) -> Tensor:
    """Return the pitch classes above the lowest rows: boolean ``(..., rows)`` to ``(..., 12)``."""
    folded = fold_rows(cells)
    above = (torch.arange(12, device=cells.device) + lowest[..., None]) % 12
    classes: Tensor = folded.gather(-1, above.expand(folded.shape))
    return classes


def critic_loss(real: Tensor, drafts: Tensor) -> Tensor:
    """Return the cross-entropy of telling real beginnings from those of drafts by their logits, without dimensions."""
    loss: Tensor = (F.softplus(-real).mean() + F.softplus(drafts).mean()) / 2
    return loss


def likelihood_loss(real: Tensor, composed: Tensor) -> Tensor:
    """Return a loss whose gradient is that of the negative log likelihood of real phrases, of beginnings' logits.

    The model's density is that of drafts times the exponential of a whole phrase's logit; ``composed`` are its samples.
    """
    loss: Tensor = composed[:, -1].mean() - real[:, -1].mean()
    return loss
