"""The judge's network: dilated convolutions over steps, how it is trained, and what in a phrase speaks for it.

Dilated convolutions over steps: van den Oord et al., "WaveNet", arXiv 1609.03499.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.music.judging.judge_features import MAX_SHIFT, Described, transposed

CHANNELS = 48
_BATCH, _LEAST_BATCHES = 50, 16
_DILATIONS = (1, 2, 4, 8)
_PER_BEAT = 4  # positions that the convolutions see


class JudgeNetwork(nn.Module):
    """Classify phrases: embed the features of each step, then apply dilated convolutions.

    Args:
        described: phrases whose features the network shall read.
        resolution: steps per beat.

    """

    def __init__(self, described: Described, resolution: int) -> None:
        super().__init__()
        sizes = torch.tensor([feature.size for feature in described.features])
        self.offsets: Tensor
        self.register_buffer("offsets", sizes.cumsum(0) - sizes)
        self.table = nn.EmbeddingBag(int(sizes.sum()), CHANNELS, mode="sum")
        nn.init.normal_(self.table.weight, std=0.3 / len(sizes) ** 0.5)
        self.drums = nn.Linear(described.hits.shape[-1], CHANNELS, bias=False) if described.hits.shape[-1] else None
        self.stride = max(1, resolution // _PER_BEAT)
        self.join = nn.Conv1d(CHANNELS, CHANNELS, 2 * self.stride + 1, self.stride, padding=self.stride)
        self.blocks = nn.ModuleList(nn.Conv1d(CHANNELS, CHANNELS, 3, dilation=d, padding=d) for d in _DILATIONS)
        self.judge = nn.Conv1d(CHANNELS, 1, 1)
        self.dropout = nn.Dropout(0.3)

    def embed(self, codes: Tensor, hits: Tensor) -> Tensor:
        """Sum the embeddings of all features: float ``(n, time, channels)``."""
        bags = (codes + self.offsets).flatten(0, 1)
        total: Tensor = self.table(bags).view(*codes.shape[:2], CHANNELS)
        return total if self.drums is None else total + self.drums(hits.float())

    def judge_steps(self, embedded: Tensor) -> Tensor:
        """Map embedded phrases to logits of positions ``(n, positions)``; a phrase's logit is their sum."""
        x = self.dropout(F.leaky_relu(self.join(self.dropout(embedded.transpose(1, 2))), 0.1))
        for block in self.blocks:
            x = x + self.dropout(F.leaky_relu(block(x), 0.1))
        logits: Tensor = self.judge(x)[:, 0]
        return logits * (8 / logits.shape[1])

    def forward(self, codes: Tensor, hits: Tensor) -> Tensor:
        """Map phrases to logits ``(n,)``, positive for real ones."""
        return self.judge_steps(self.embed(codes, hits)).sum(1)


def batch(described: Described, rows: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Return codes and drum hits of phrases, transposed at random if ``rng`` is given."""
    codes = described.codes[rows].long()
    shift = torch.zeros(len(rows), dtype=torch.int64)
    if rng is not None:
        shift = torch.randint(-MAX_SHIFT, MAX_SHIFT + 1, (len(rows),), generator=rng)
    return transposed(codes, described.features, shift), described.hits[rows]


def fit(described: Described, label: Tensor, train: Tensor, resolution: int, epochs: int, seed: int) -> JudgeNetwork:
    """Train a network on the phrases ``train``; each batch holds as many real phrases as generated ones.

    An epoch has 16 batches or more: few samples must be seen more often before a network distinguishes them at all.
    """
    rng = torch.Generator().manual_seed(seed)
    fake, real = train[label[train] == 0], train[label[train] == 1]
    half = max(1, min(_BATCH // 2, len(fake)))
    batches = max(_LEAST_BATCHES, len(fake) // half)
    passes = -(-batches * half // len(fake))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        network = JudgeNetwork(described, resolution)
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * batches + 1)
        target = torch.cat([torch.zeros(half), torch.ones(half)])
        stream = torch.empty(0, dtype=torch.int64)
        for _ in range(epochs):
            order = torch.cat([torch.randperm(len(fake), generator=rng) for _ in range(passes)])
            for chosen in fake[order][: batches * half].split(half):
                while len(stream) < half:
                    stream = torch.cat([stream, real[torch.randperm(len(real), generator=rng)]])
                rows, stream = torch.cat([chosen, stream[:half]]), stream[half:]
                loss = F.binary_cross_entropy_with_logits(network(*batch(described, rows, rng)), target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        return network.eval().requires_grad_(False)


def evidence_of(network: JudgeNetwork, described: Described, rows: Tensor, shape: Sequence[int]) -> Tensor:
    """Return what each track and bar adds to the logit: gradient times input, relative to the mean input.

    What a feature of several tracks adds is shared between them.

    Returns:
        float32 ``(n, tracks, bars)``.

    """
    tracks, bars = shape
    share = torch.zeros(len(described.features), tracks)
    for number, feature in enumerate(described.features):
        share[number, list(feature.tracks)] = 1 / len(feature.tracks)
    pitches = described.hits.shape[-1] // max(1, len(described.drums))
    found = []
    for part in rows.split(25):
        codes, hits = batch(described, part)
        embedded = network.embed(codes, hits).requires_grad_()
        (slope,) = torch.autograd.grad(network.judge_steps(embedded).sum(), embedded)
        each = F.embedding(codes + network.offsets, network.table.weight)
        added = torch.einsum("ntfc,ntc->ntf", each - each.mean((0, 1)), slope) @ share
        if network.drums is not None:
            weights = hits.float() - hits.float().mean((0, 1))
            drummed = (weights * (slope @ network.drums.weight)).unflatten(-1, (len(described.drums), pitches))
            added[..., list(described.drums)] += drummed.sum(-1)
        found.append(added.unflatten(1, (bars, -1)).sum(2).transpose(1, 2))
    return torch.cat(found)
