"""A causal transformer over items of several fields, which it decodes one field after the other.

An item is one step of several voices, or one note. The transformer reads the items so far; a small network for each
field reads the transformer's state and the fields of the item that are decided. Attention reaches back a
number of items that is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, LAYERS, HEADS, DROPOUT = 192, 4, 6, 0.1


class Layer(nn.Module):
    """Pre-norm attention over ``window`` items, and a feed-forward network; ``cache`` holds earlier keys and values."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, cache: list[Tensor] | None = None) -> Tensor:
        q, k, v = self.qkv(self.norms[0](x)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        if cache is not None:
            if cache:
                k, v = (torch.cat(pair, dim=2)[:, :, -self.window :] for pair in ((cache[0], k), (cache[1], v)))
            cache[:] = [k, v]
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=cache is None)
        x = x + self.dropout(self.out(attended.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.feed(self.norms[1](x)))


class Peer(nn.Module):
    """Predict items field by field.

    Args:
        fields: number of values of each field.
        contexts: number of values of each context column, which is known of the next item's past.
        window: number of items that are seen in sampling.

    """

    def __init__(self, fields: Sequence[int], contexts: Sequence[int], window: int = 256) -> None:
        super().__init__()
        self.fields = list(fields)
        self.begin = nn.Parameter(torch.zeros(WIDTH))
        self.items = nn.ModuleList(nn.Embedding(size, WIDTH) for size in fields)
        self.contexts = nn.ModuleList(nn.Embedding(size, WIDTH) for size in contexts)
        self.decided = nn.ModuleList(nn.Embedding(size, WIDTH) for size in fields)
        for table in (*self.items, *self.contexts, *self.decided):
            nn.init.normal_(table.weight, std=0.3 / len(fields) ** 0.5)
        self.layers = nn.ModuleList(Layer(window) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(2 * WIDTH, size))
            for size in fields
        )

    def forward(self, items: Tensor, contexts: Tensor) -> list[Tensor]:
        """Return the logits of each field: float ``(n, length, size)``.

        Args:
            items: int64 ``(n, length, fields)``.
            contexts: int64 ``(n, length, columns)``; entry i is known before item i.

        """
        past = sum(table(items[:, :-1, i]) for i, table in enumerate(self.items))
        past = torch.cat([self.begin.expand(len(items), 1, -1), past], dim=1)
        state = self.read(past, contexts)
        found = []
        for i, (head, table) in enumerate(zip(self.heads, self.decided, strict=True)):
            found.append(head(state))
            state = state + table(items[..., i])
        return found

    def read(self, past: Tensor, contexts: Tensor, caches: list[list[Tensor]] | None = None) -> Tensor:
        x = past + sum(table(contexts[..., i]) for i, table in enumerate(self.contexts))
        for i, layer in enumerate(self.layers):
            x = layer(x, None if caches is None else caches[i])
        return self.norm(x)

    @torch.no_grad()
    def sample_item(
        self, last: Tensor | None, contexts: Tensor, caches: list[list[Tensor]], top_p: float, rng: torch.Generator
    ) -> Tensor:
        """Sample the next item of each sequence: int64 ``(n, fields)``; ``contexts`` is ``(n, columns)``."""
        if last is None:
            past = self.begin.expand(len(contexts), -1)
        else:
            past = sum(table(last[:, i]) for i, table in enumerate(self.items))
        state = self.read(past[:, None], contexts[:, None], caches)[:, 0]
        chosen = []
        for head, table in zip(self.heads, self.decided, strict=True):
            chosen.append(nucleus(head(state), top_p, rng))
            state = state + table(chosen[-1])
        return torch.stack(chosen, dim=1)


def nucleus(logits: Tensor, top_p: float, rng: torch.Generator) -> Tensor:
    """Sample from the most likely values that together have probability ``top_p``: ``(n, size)`` to int64 ``(n,)``.

    Source: Holtzman et al., "The curious case of neural text degeneration", arXiv 1904.09751.
    """
    odds, order = logits.softmax(-1).sort(descending=True)
    odds = odds * (odds.cumsum(-1) - odds < top_p)
    return order.gather(1, torch.multinomial(odds, 1, generator=rng))[:, 0]


def surprisal(peer: Peer, items: Tensor, contexts: Tensor) -> Tensor:
    """Return the negative log likelihood of each field in nats: float ``(n, length, fields)``."""
    found = peer(items, contexts)
    return torch.stack(
        [
            F.cross_entropy(logits.flatten(0, 1), items[..., i].flatten(), reduction="none").view(items.shape[:2])
            for i, logits in enumerate(found)
        ],
        dim=-1,
    )
