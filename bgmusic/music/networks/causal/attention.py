"""Transformer layers over steps and over beats.

Sources: attention: Vaswani et al., arXiv 1706.03762; rotary positions: Su et al., arXiv 2104.09864.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.gan.layers import Dropout

_LONGEST_WAVE = 1000.0  # steps


class Layer(nn.Module):
    """Attention and a feed-forward network, normalized before each.

    Args:
        width: channels.
        heads: attention heads.
        dropout: share of dropped channels.
        causal: whether a position sees itself and earlier ones alone.

    """

    def __init__(self, width: int, heads: int, dropout: float, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal, self.dropout = heads, causal, Dropout(dropout)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, rotations: Tensor) -> Tensor:
        """Apply the layer to ``(batch, length, width)``."""
        query, key, value = self.qkv(self.before(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key = rotate(query, rotations), rotate(key, rotations)
        seen = _attend(query, key, value, self.causal)
        x = x + self.dropout(self.out(seen.transpose(1, 2).flatten(2)))
        change: Tensor = self.dropout(self.down(F.gelu(self.up(self.between(x)))))
        return x + change


def _attend(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    if query.device.type != "cpu" or query.dtype == torch.float32:
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    # The backward pass in bfloat16 takes five times as long as in float32, at 64 steps (torch 2.13, with AMX).
    with torch.autocast("cpu", enabled=False):
        seen = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), is_causal=causal)
    return seen.to(value.dtype)


@lru_cache(maxsize=16)
def rotations(length: int, size: int, device: torch.device) -> Tensor:
    """Return cosines and sines of the rotary positions: ``(2, length, size / 2)``."""
    with torch.inference_mode(mode=False):  # composing may come first, and a later training takes gradients
        frequency = _LONGEST_WAVE ** -(torch.arange(0, size, 2, device=device) / size)
        angle = torch.arange(length, device=device)[:, None] * frequency
        return torch.stack([angle.cos(), angle.sin()])


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate pairs of channels of ``(..., length, size)`` by ``(2, length, size / 2)``."""
    first, second = x.chunk(2, -1)
    cosine, sine = angles.to(x.dtype)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], -1)
